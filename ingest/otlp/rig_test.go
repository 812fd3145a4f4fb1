package otlp_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"headgate/ingest/intake"
	"headgate/ingest/otlp"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

const (
	protobuf = "application/x-protobuf"
	jsonText = "application/json"
)

// rig is a door over a log in memory.
type rig struct {
	*otlp.Server
	log *shardlogtest.Memory
	web *httptest.Server
}

func start(t testing.TB, change func(*otlp.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory()}
	c := otlp.Config{Writer: r.log, Control: r.log}
	if change != nil {
		change(&c)
	}
	server, err := otlp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Server, r.web = server, httptest.NewServer(server)
	t.Cleanup(r.web.Close)
	return r
}

// answer is what the door said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// post sends a body; headers come in pairs.
func (r *rig) post(t testing.TB, path, kind string, body []byte, headers ...string) answer {
	t.Helper()
	return r.ask(t, http.MethodPost, path, kind, bytes.NewReader(body), headers...)
}

func (r *rig) ask(t testing.TB, method, path, kind string, body io.Reader, headers ...string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.web.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", kind)
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
	return answer{a.StatusCode, a.Header, b}
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// from is a resource with these attributes, in pairs.
func from(pairs ...string) *resource.Resource {
	r := &resource.Resource{}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Attributes = append(r.Attributes, &common.KeyValue{Key: pairs[i], Value: text(pairs[i+1])})
	}
	return r
}

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

// said is the logs of one resource.
func said(of *resource.Resource, bodies ...string) *logspb.ResourceLogs {
	s := &logspb.ScopeLogs{Scope: &common.InstrumentationScope{Name: "scope"}, SchemaUrl: "s"}
	for _, b := range bodies {
		s.LogRecords = append(s.LogRecords, &logspb.LogRecord{TimeUnixNano: 7, Body: text(b), TraceId: bytes.Repeat([]byte{1}, 16)})
	}
	return &logspb.ResourceLogs{Resource: of, ScopeLogs: []*logspb.ScopeLogs{s}, SchemaUrl: "r"}
}

func request(all ...*logspb.ResourceLogs) *collogs.ExportLogsServiceRequest {
	return &collogs.ExportLogsServiceRequest{ResourceLogs: all}
}

func wire(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// metaOf is a record's envelope.
func metaOf(t testing.TB, r shardlog.Record) intake.Meta {
	t.Helper()
	m, err := intake.DecodeMeta(r.Meta)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
