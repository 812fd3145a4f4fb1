package otlp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"headgate/ingest/intake"
	"headgate/ingest/otlp"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

func TestTheRequestIsStoredAsItCame(t *testing.T) {
	r := start(t, nil)
	pb := wire(t, request(said(from("service.name", "a"), "one"), said(from("service.name", "a"), "two")))
	js := []byte(` {"resourceLogs" : [{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"h\u00e9"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}], "later":1}`)
	for _, send := range []struct {
		kind, key string
		body      []byte
	}{{protobuf, "a", pb}, {jsonText + "; charset=utf-8", "hé", js}} {
		a := r.post(t, "/v1/logs", send.kind, packed(t, send.body), "Content-Encoding", "gzip")
		kind, _, _ := strings.Cut(send.kind, ";")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != kind {
			t.Fatalf("%s: %d %s %q", send.kind, a.status, a.header.Get("Content-Type"), a.body)
		}
		if want := map[string]string{protobuf: "", jsonText: "{}"}[kind]; string(a.body) != want {
			t.Errorf("%s: body %q", kind, a.body)
		}
		var found bool
		for _, one := range r.log.Records(otlp.DefaultLogs) {
			if bytes.Equal(one.Data, send.body) {
				found = true
				if one.Key != send.key || metaOf(t, one).Type != kind {
					t.Errorf("key %q, meta %+v", one.Key, metaOf(t, one))
				}
			}
		}
		if !found {
			t.Errorf("%s is not among the records", kind)
		}
	}
}

func TestKeys(t *testing.T) {
	long := strings.Repeat("k", 257)
	for name, test := range map[string]struct {
		all []*logspb.ResourceLogs
		key string
	}{
		"both":      {[]*logspb.ResourceLogs{said(from("host.name", "h", "service.name", "s"), "x")}, "s/h"},
		"service":   {[]*logspb.ResourceLogs{said(from("service.name", "s"), "x")}, "s"},
		"host":      {[]*logspb.ResourceLogs{said(from("host.name", "h"), "x")}, "h"},
		"none":      {[]*logspb.ResourceLogs{said(nil, "x")}, "127.0.0.1"},
		"too long":  {[]*logspb.ResourceLogs{said(from("service.name", long), "x")}, "127.0.0.1"},
		"alike":     {[]*logspb.ResourceLogs{said(from("service.name", "s"), "x"), said(from("service.name", "s", "more", "m"), "y")}, "s"},
		"different": {[]*logspb.ResourceLogs{said(from("service.name", "s"), "x"), said(from("service.name", "z"), "y")}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			js, err := protojson.Marshal(request(test.all...))
			if err != nil {
				t.Fatal(err)
			}
			// protojson writes ids in base64, OTLP wants hex
			js = bytes.ReplaceAll(js, []byte("AQEBAQEBAQEBAQEBAQEBAQ=="), bytes.Repeat([]byte("01"), 16))
			for kind, body := range map[string][]byte{protobuf: wire(t, request(test.all...)), jsonText: js} {
				if a := r.post(t, "/v1/logs", kind, body); a.status != http.StatusOK {
					t.Fatalf("%s: %d %s", kind, a.status, a.body)
				}
			}
			for _, one := range r.log.Records(otlp.DefaultLogs) {
				if one.Key != test.key {
					t.Errorf("%s: key %q, want %q", metaOf(t, one).Type, one.Key, test.key)
				}
			}
		})
	}
}

func TestAnEmptyRequestIsASuccess(t *testing.T) {
	r := start(t, nil)
	for kind, body := range map[string]string{protobuf: "", jsonText: "{}"} {
		if a := r.post(t, "/v1/traces", kind, []byte(body)); a.status != http.StatusOK || string(a.body) != body {
			t.Errorf("%s: %d %q", kind, a.status, a.body)
		}
	}
	if n := len(r.log.Streams()); n != 0 {
		t.Errorf("%d streams were made", n)
	}
}

func TestTheAnswerComesAfterThePut(t *testing.T) {
	r := start(t, nil)
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: otlp.DefaultLogs}); err != nil {
		t.Fatal(err)
	}
	hold := r.log.Hold()
	got := make(chan answer, 1)
	body := wire(t, request(said(nil, "x")))
	go func() { got <- r.post(t, "/v1/logs", protobuf, body) }()
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-got:
		t.Fatalf("answered %d before the record was stored", a.status)
	default:
	}
	hold.Release()
	if a := <-got; a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

func TestALogThatDoesNotAnswer(t *testing.T) {
	r := start(t, func(c *otlp.Config) { c.Patience = 20 * time.Millisecond })
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: otlp.DefaultLogs}); err != nil {
		t.Fatal(err)
	}
	defer r.log.Hold().Release()
	a := r.post(t, "/v1/logs", protobuf, wire(t, request(said(nil, "x"))))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

// message is the text of a Status, which must decode in the encoding.
func message(t *testing.T, a answer) (code int32, text string) {
	t.Helper()
	if a.header.Get("Content-Type") == jsonText {
		var s struct {
			Code    int32
			Message string
		}
		if err := json.Unmarshal(a.body, &s); err != nil {
			t.Fatalf("%q: %v", a.body, err)
		}
		return s.Code, s.Message
	}
	var s spb.Status
	if err := proto.Unmarshal(a.body, &s); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	return s.Code, s.Message
}

func TestRefusals(t *testing.T) {
	fine := wire(t, request(said(nil, "x")))
	fails := func(k shardlog.Kind) func(string) error {
		return func(op string) error {
			if op != "put" {
				return nil
			}
			return &shardlog.Error{Kind: k, Op: op, RetryAfter: 2500 * time.Millisecond}
		}
	}
	for name, test := range map[string]struct {
		change func(*otlp.Config)
		fail   func(string) error
		kind   string
		body   []byte
		header []string
		status int
		code   int32
		retry  string
	}{
		"protobuf":     {kind: protobuf, body: []byte("\x0a\x05ab"), status: 400, code: 3},
		"deep UTF-8":   {kind: protobuf, body: wire(t, request(said(from("k", "\x7f\x7f"), "x")))[:9], status: 400, code: 3},
		"json":         {kind: jsonText, body: []byte(`{"resourceLogs":[}`), status: 400, code: 3},
		"json type":    {kind: jsonText, body: []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}`), status: 400, code: 3},
		"json signal":  {kind: jsonText, body: []byte(`{"resourceSpans":[]}`), status: 400, code: 3},
		"type":         {kind: "text/plain", body: fine, status: 415, code: 3},
		"encoding":     {kind: protobuf, body: fine, header: []string{"Content-Encoding", "zstd"}, status: 415, code: 3},
		"gzip":         {kind: protobuf, body: fine, header: []string{"Content-Encoding", "gzip"}, status: 400, code: 3},
		"large":        {change: func(c *otlp.Config) { c.Gate.Packed = 8 }, kind: protobuf, body: fine, status: 413, code: 8},
		"bomb":         {change: func(c *otlp.Config) { c.Gate.Unpacked = 5000 }, kind: protobuf, body: packed(t, make([]byte, 1e6)), header: []string{"Content-Encoding", "gzip"}, status: 413, code: 8},
		"stranger":     {change: func(c *otlp.Config) { c.Gate.Allow = func(*http.Request) bool { return false } }, kind: protobuf, body: fine, status: 401, code: 16},
		"unavailable":  {fail: fails(shardlog.Unavailable), kind: protobuf, body: fine, status: 503, code: 14, retry: "3"},
		"unknown":      {fail: fails(shardlog.Unknown), kind: protobuf, body: fine, status: 503, code: 14, retry: "3"},
		"internal":     {fail: fails(shardlog.Internal), kind: protobuf, body: fine, status: 503, code: 14, retry: "3"},
		"full":         {fail: fails(shardlog.Full), kind: protobuf, body: fine, status: 503, code: 14, retry: "30"},
		"throttled":    {fail: fails(shardlog.Throttled), kind: jsonText, body: []byte(`{"resourceLogs":[{}]}`), status: 429, code: 8, retry: "3"},
		"all too wide": {change: func(c *otlp.Config) { c.Record = 4 << 10 }, kind: protobuf, body: wire(t, request(said(nil, strings.Repeat("x", 5000)))), status: 413, code: 8},
		"no stream":    {change: func(c *otlp.Config) { c.Control = nil }, kind: protobuf, body: fine, status: 503, code: 14, retry: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, test.change)
			r.log.Fail = test.fail
			a := r.post(t, "/v1/logs", test.kind, test.body, test.header...)
			code, text := message(t, a)
			if a.status != test.status || code != test.code || text == "" || a.header.Get("Retry-After") != test.retry {
				t.Errorf("%d, code %d, %q, Retry-After %q", a.status, code, text, a.header.Get("Retry-After"))
			}
			if n := len(r.log.Records(otlp.DefaultLogs)); n != 0 {
				t.Errorf("%d records were stored", n)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	r := start(t, nil)
	if a := r.ask(t, http.MethodGet, "/v1/logs", protobuf, http.NoBody); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("%d, Allow %q", a.status, a.header.Get("Allow"))
	}
	if a := r.post(t, "/v1/profiles", protobuf, nil); a.status != http.StatusNotFound {
		t.Errorf("profiles: %d", a.status)
	}
}

func TestASourceHasAQuota(t *testing.T) {
	at := time.Unix(1e9, 0)
	r := start(t, func(c *otlp.Config) {
		c.Gate.PerSource = quota.Limits{RecordsIn: 2}
		c.Gate.Source = func(r *http.Request) string { return r.Header.Get("X-From") }
		c.Gate.Now = func() time.Time { return at }
	})
	body := wire(t, request(said(nil, "x")))
	var got []int
	for _, who := range []string{"a", "a", "a", "b"} {
		got = append(got, r.post(t, "/v1/logs", protobuf, body, "X-From", who).status)
	}
	if want := "[200 200 429 200]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if s := r.Stats(); s.Throttled != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestTooLargeIsCut sends a request of one process that is larger than a
// record in both encodings, with one item that never fits.
func TestTooLargeIsCut(t *testing.T) {
	var bodies []string
	for i := range 400 {
		bodies = append(bodies, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 90)))
	}
	bodies[200] = strings.Repeat("w", 9000)
	whole := request(said(from("service.name", "s"), bodies...), said(from("service.name", "t"), "small"))
	js, err := protojson.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	js = bytes.ReplaceAll(js, []byte("AQEBAQEBAQEBAQEBAQEBAQ=="), bytes.Repeat([]byte("01"), 16))
	for kind, body := range map[string][]byte{protobuf: wire(t, whole), jsonText: js} {
		t.Run(kind, func(t *testing.T) {
			r := start(t, func(c *otlp.Config) { c.Record = 8 << 10 })
			a := r.post(t, "/v1/logs", kind, body)
			var said collogs.ExportLogsServiceResponse
			if kind == protobuf {
				err = proto.Unmarshal(a.body, &said)
			} else {
				err = protojson.Unmarshal(a.body, &said)
			}
			if err != nil || a.status != http.StatusOK || said.PartialSuccess.GetRejectedLogRecords() != 1 || said.PartialSuccess.ErrorMessage == "" {
				t.Fatalf("%d %q %v", a.status, a.body, err)
			}
			var got []string
			for _, one := range r.log.Records(otlp.DefaultLogs) {
				got = append(got, r.bodies(t, kind, one)...)
			}
			want := append(append(append([]string{}, bodies[:200]...), bodies[201:]...), "small")
			if len(got) != len(want) {
				t.Fatalf("%d log records, want %d", len(got), len(want))
			}
			seen := map[string]bool{}
			for _, b := range got {
				seen[b] = true
			}
			for _, b := range want {
				if !seen[b] {
					t.Errorf("%.10s is lost", b)
				}
			}
			if s := r.Stats(); s.Items != 400 || s.Refused != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// bodies are the texts of a record, whose envelopes must be whole.
func (r *rig) bodies(t *testing.T, kind string, one shardlog.Record) (all []string) {
	t.Helper()
	if one.Size() > 8<<10 {
		t.Errorf("a record of %d bytes", one.Size())
	}
	var got collogs.ExportLogsServiceRequest
	var err error
	if kind == protobuf {
		err = proto.Unmarshal(one.Data, &got)
	} else {
		err = protojson.Unmarshal(one.Data, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range got.ResourceLogs {
		if name := of.Resource.Attributes[0].Value.GetStringValue(); name != one.Key || of.SchemaUrl != "r" {
			t.Errorf("resource %v under key %q", of.Resource, one.Key)
		}
		for _, s := range of.ScopeLogs {
			if s.Scope.Name != "scope" || s.SchemaUrl != "s" {
				t.Errorf("scope %v", s.Scope)
			}
			for _, l := range s.LogRecords {
				all = append(all, l.Body.GetStringValue())
			}
		}
	}
	return all
}

func TestByResource(t *testing.T) {
	r := start(t, func(c *otlp.Config) { c.ByResource = true })
	body := wire(t, request(said(from("service.name", "a"), "1"), said(from("service.name", "a"), "2"), said(from("service.name", "b"), "3"), said(nil, "4")))
	if a := r.post(t, "/v1/logs", protobuf, body); a.status != http.StatusOK || len(a.body) != 0 {
		t.Fatalf("%d %q", a.status, a.body)
	}
	got := map[string]int{}
	for _, one := range r.log.Records(otlp.DefaultLogs) {
		var m collogs.ExportLogsServiceRequest
		if err := proto.Unmarshal(one.Data, &m); err != nil {
			t.Fatal(err)
		}
		got[one.Key] = len(m.ResourceLogs)
	}
	if fmt.Sprint(got) != "map[127.0.0.1:1 a:2 b:1]" {
		t.Errorf("%v", got)
	}
}

func TestRejectedMetricsAreCountedByPoint(t *testing.T) {
	r := start(t, func(c *otlp.Config) { c.Record = 4 << 10 })
	large := &metricspb.Metric{Name: strings.Repeat("n", 4000), Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{
		DataPoints: []*metricspb.NumberDataPoint{{}, {}, {}}}}}
	small := &metricspb.Metric{Name: "n", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: []*metricspb.NumberDataPoint{{}}}}}
	a := r.post(t, "/v1/metrics", protobuf, wire(t, &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{
		{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{large, small}}}}}}))
	var said colmetrics.ExportMetricsServiceResponse
	if err := proto.Unmarshal(a.body, &said); err != nil || a.status != http.StatusOK || said.PartialSuccess.GetRejectedDataPoints() != 3 {
		t.Errorf("%d %v %v", a.status, &said, err)
	}
}

func TestNewRefuses(t *testing.T) {
	r := start(t, nil)
	for name, c := range map[string]otlp.Config{
		"no writer": {},
		"name":      {Writer: r.log, Logs: "a b"},
		"own":       {Writer: r.log, Traces: "_gaps"},
		"size":      {Writer: r.log, Record: 1},
		"bound":     {Writer: r.log, Gate: intake.Config{Packed: -1}},
	} {
		if _, err := otlp.New(c); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
