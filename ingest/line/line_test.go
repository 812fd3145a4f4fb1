package line_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	influx "github.com/influxdata/influxdb-client-go/v2"

	"headgate/ingest"
	"headgate/ingest/intake"
	"headgate/ingest/line"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

// rig is a door over a log in memory.
type rig struct {
	*line.Server
	log *shardlogtest.Memory
	web *httptest.Server
}

func start(t testing.TB, change func(*line.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory()}
	c := line.Config{Writer: r.log, Control: r.log}
	if change != nil {
		change(&c)
	}
	server, err := line.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Server, r.web = server, httptest.NewServer(server)
	t.Cleanup(r.web.Close)
	return r
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (r *rig) post(t testing.TB, path, body string, headers ...string) answer {
	t.Helper()
	return r.ask(t, http.MethodPost, path, body, headers...)
}

func (r *rig) ask(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.web.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(b)}
}

func metaOf(t testing.TB, r shardlog.Record) intake.Meta {
	t.Helper()
	m, err := intake.DecodeMeta(r.Meta)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTheOfficialClient writes with InfluxDB's client for Go, packed, and
// sees an error of ours as it shows errors.
func TestTheOfficialClient(t *testing.T) {
	r := start(t, func(c *line.Config) {
		c.Gate.Allow = func(r *http.Request) bool { return r.Header.Get("Authorization") == "Token secret" }
	})
	c := influx.NewClientWithOptions(r.web.URL, "secret", influx.DefaultOptions().SetUseGZip(true).SetPrecision(time.Millisecond).SetHTTPRequestTimeout(20))
	defer c.Close()
	if ok, err := c.Ping(t.Context()); !ok || err != nil {
		t.Errorf("ping: %v, %v", ok, err)
	}
	if h, err := c.Health(t.Context()); err != nil || h.Status != "pass" {
		t.Errorf("health: %+v, %v", h, err)
	}
	w := c.WriteAPIBlocking("org", "plant")
	at := time.UnixMilli(1700000000123)
	err := w.WritePoint(t.Context(), influx.NewPoint("pump 1", map[string]string{"line": "a,b", "hall": "3"}, map[string]any{"rpm": 1500, "on": true, "note": "say \"hi\"\nnow"}, at))
	if err != nil {
		t.Fatal(err)
	}
	all := r.log.Records(ingest.DefaultStream)
	if len(all) != 1 || all[0].Key != `pump\ 1,hall=3,line=a\,b` {
		t.Fatalf("%d records: %+v", len(all), all)
	}
	if want := `pump\ 1,hall=3,line=a\,b note="say \"hi\"\nnow",on=true,rpm=1500i 1700000000123`; string(all[0].Data) != want {
		t.Errorf("%q, want %q", all[0].Data, want)
	}
	if want := (intake.Meta{Kind: intake.Line, Source: "127.0.0.1", Bucket: "plant", Precision: "ms"}); metaOf(t, all[0]) != want {
		t.Errorf("meta %+v", metaOf(t, all[0]))
	}
	if err := w.WriteRecord(t.Context(), "fine v=1", "bad v=x"); err == nil || !strings.Contains(err.Error(), "line 2: unable to parse 'bad v=x'") {
		t.Errorf("%v", err)
	}
	stranger := influx.NewClient(r.web.URL, "wrong")
	defer stranger.Close()
	if err := stranger.WriteAPIBlocking("org", "plant").WriteRecord(t.Context(), "fine v=1"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("%v", err)
	}
}

// TestAsTelegraf does what Telegraf's outputs.influxdb does.
func TestAsTelegraf(t *testing.T) {
	r := start(t, nil)
	if a := r.ask(t, http.MethodPost, "/query", "q=CREATE+DATABASE+%22telegraf%22", "Content-Type", "application/x-www-form-urlencoded"); a.status != http.StatusOK || !strings.Contains(a.body, `"results"`) {
		t.Errorf("create database: %d %s", a.status, a.body)
	}
	if a := r.ask(t, http.MethodGet, "/query?q=SELECT+1", ""); a.status != http.StatusBadRequest {
		t.Errorf("select: %d", a.status)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	lines := "cpu,cpu=cpu0,host=pi usage_idle=99.1 1700000000000000000\nmem,host=pi free=5i,used=7u 1700000000000000000\n"
	if _, err := io.WriteString(z, lines); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	a := r.post(t, "/write?db=telegraf&rp=week", packed.String(), "Content-Encoding", "gzip", "Content-Type", "text/plain; charset=utf-8")
	if a.status != http.StatusNoContent || a.body != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got := map[string]string{}
	for _, one := range r.log.Records(ingest.DefaultStream) {
		got[one.Key] = string(one.Data)
		if m := metaOf(t, one); m.Bucket != "telegraf/week" || m.Precision != "" {
			t.Errorf("meta %+v", m)
		}
	}
	first, second, _ := strings.Cut(strings.TrimSpace(lines), "\n")
	if len(got) != 2 || got["cpu,cpu=cpu0,host=pi"] != first || got["mem,host=pi"] != second {
		t.Errorf("%q", got)
	}
}

// TestTheInfluxShell imports with the client of Debian's influxdb-client.
func TestTheInfluxShell(t *testing.T) {
	path, err := exec.LookPath("influx")
	if err != nil {
		missing(t, "influx is not installed (Debian: influxdb-client)")
	}
	r := start(t, nil)
	host, port, _ := strings.Cut(strings.TrimPrefix(r.web.URL, "http://"), ":")
	out, err := exec.CommandContext(t.Context(), path, "-host", host, "-port", port, "-database", "d", "-execute", "INSERT cpu,host=a v=1i").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if all := r.log.Records(ingest.DefaultStream); len(all) != 1 || string(all[0].Data) != "cpu,host=a v=1i" {
		t.Errorf("%+v", all)
	}
}

func TestPing(t *testing.T) {
	r := start(t, func(c *line.Config) { c.Gate.Allow = func(*http.Request) bool { return false } })
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if a := r.ask(t, method, "/ping", ""); a.status != http.StatusNoContent || a.header.Get("X-Influxdb-Version") == "" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	if a := r.ask(t, http.MethodGet, "/ping?verbose=true", ""); a.status != http.StatusOK || !strings.Contains(a.body, `"version"`) {
		t.Errorf("verbose: %d %s", a.status, a.body)
	}
}

func TestRefusals(t *testing.T) {
	fails := func(k shardlog.Kind) func(string) error {
		return func(op string) error {
			if op != "put" {
				return nil
			}
			return &shardlog.Error{Kind: k, Op: op, RetryAfter: 1500 * time.Millisecond}
		}
	}
	closed, err := ingest.NewRoutes([]ingest.Route{{Filter: "+/secret", Refuse: true}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*line.Config)
		fail   func(string) error
		query  string
		body   string
		status int
		code   string
		line   int
		retry  string
	}{
		"malformed":   {body: "a v=1\n\nb v=oops\nc v=1", status: 400, code: "invalid", line: 3},
		"too large":   {body: "a v=1\nb v=\"" + strings.Repeat("x", 1<<20) + "\"", status: 400, code: "invalid", line: 2},
		"precision":   {query: "?precision=ps", body: "a v=1", status: 400, code: "invalid"},
		"route":       {change: func(c *line.Config) { c.Routes = closed }, query: "?bucket=b", body: "a v=1\nsecret v=1", status: 403, code: "forbidden", line: 2},
		"many":        {change: func(c *line.Config) { c.MaxLines = 2 }, body: "a v=1\na v=1\na v=1", status: 413, code: "request too large"},
		"body":        {change: func(c *line.Config) { c.Gate.Packed = 4 }, body: "a v=1", status: 413, code: "request too large"},
		"stranger":    {change: func(c *line.Config) { c.Gate.Allow = func(*http.Request) bool { return false } }, body: "a v=1", status: 401, code: "unauthorized"},
		"unavailable": {fail: fails(shardlog.Unavailable), body: "a v=1", status: 503, code: "unavailable", retry: "2"},
		"full":        {fail: fails(shardlog.Full), body: "a v=1", status: 503, code: "unavailable", retry: "30"},
		"throttled":   {fail: fails(shardlog.Throttled), body: "a v=1", status: 429, code: "too many requests", retry: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, test.change)
			r.log.Fail = test.fail
			for _, path := range []string{"/api/v2/write", "/write"} {
				a := r.post(t, path+test.query, test.body)
				var said struct {
					Code, Message, Error string
					Line                 int
				}
				if err := json.Unmarshal([]byte(a.body), &said); err != nil {
					t.Fatalf("%q: %v", a.body, err)
				}
				if a.status != test.status || a.header.Get("Retry-After") != test.retry {
					t.Errorf("%s: %d %s, Retry-After %q", path, a.status, a.body, a.header.Get("Retry-After"))
				}
				if path == "/write" && (said.Error == "" || a.header.Get("X-Influxdb-Error") == "" || test.line > 0 && !strings.Contains(said.Error, fmt.Sprint("line ", test.line, ":"))) {
					t.Errorf("%s: %s, %v", path, a.body, a.header)
				}
				if path != "/write" && (said.Code != test.code || said.Line != test.line || said.Message == "") {
					t.Errorf("%s: %s", path, a.body)
				}
			}
			if n := len(r.log.Records(ingest.DefaultStream)); n != 0 {
				t.Errorf("%d records of refused requests", n)
			}
		})
	}
	if a := start(t, nil).ask(t, http.MethodGet, "/write", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.status)
	}
}

func TestRoutes(t *testing.T) {
	routes, err := ingest.NewRoutes([]ingest.Route{
		{Filter: "plant/pump", Stream: "pumps", Key: "{topic.1}:{clientid}", Shards: 2}, {Filter: "+/mem", Stream: "memory"}})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *line.Config) { c.Routes, c.Key = routes, "{tag.host}" })
	if a := r.post(t, "/api/v2/write?bucket=plant", "pump,host=a v=1\nmem,host=b v=1\ncpu v=1\npump,host=a v=2"); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var got []string
	for _, name := range []shardlog.StreamName{"pumps", "memory", ingest.DefaultStream} {
		for _, one := range r.log.Records(name) {
			got = append(got, fmt.Sprint(name, " ", one.Key, " ", string(one.Data)))
		}
	}
	want := "pumps plant:a pump,host=a v=1|pumps plant:a pump,host=a v=2|memory b mem,host=b v=1|telemetry cpu cpu v=1"
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	if s, _ := r.log.Stream("pumps"); len(s.Shards) != 2 {
		t.Errorf("%d shards", len(s.Shards))
	}
}

func TestTheAnswerComesAfterThePut(t *testing.T) {
	r := start(t, nil)
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: ingest.DefaultStream}); err != nil {
		t.Fatal(err)
	}
	hold := r.log.Hold()
	got := make(chan answer, 1)
	go func() { got <- r.post(t, "/write", "a v=1") }()
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-got:
		t.Fatalf("answered %d before the line was stored", a.status)
	default:
	}
	hold.Release()
	if a := <-got; a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestMoreThanAShardTakes sends more lines of one key than a shard takes at
// once: the rest waits for its turn, in order, and nothing comes twice.
func TestMoreThanAShardTakes(t *testing.T) {
	var skip atomic.Int64 // each look at the clock is 100 ms later
	r := start(t, func(c *line.Config) {
		m := c.Writer.(*shardlogtest.Memory)
		m.Quota = &quota.Limits{RecordsIn: 100}
		m.Now = func() time.Time { return time.Unix(1e9, 0).Add(time.Duration(skip.Add(100)) * time.Millisecond) }
	})
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "a v=%di\n", i)
	}
	if a := r.post(t, "/write", b.String()); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	all := r.log.Records(ingest.DefaultStream)
	if len(all) != 300 {
		t.Fatalf("%d records", len(all))
	}
	for i, one := range all {
		if string(one.Data) != fmt.Sprintf("a v=%di", i) {
			t.Fatalf("record %d is %q", i, one.Data)
		}
	}
	if s := r.Stats(); s.Records != 300 || s.Requests != 1 {
		t.Errorf("stats %+v", s)
	}
}

// missing skips a test for want of a program, where deploy/test has not
// installed it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
