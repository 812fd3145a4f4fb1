package otlp_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"headgate/ingest/intake"
	"headgate/ingest/otlp"
	"headgate/shardlog"
)

var who = sdkresource.NewSchemaless(attribute.String("service.name", "pump"), attribute.String("host.name", "pi-7"))

func (r *rig) host() string { return strings.TrimPrefix(r.web.URL, "http://") }

// only is the one record of a stream, which must decode.
func (r *rig) only(t *testing.T, name shardlog.StreamName, kind intake.Kind, into proto.Message) {
	t.Helper()
	all := r.log.Records(name)
	if len(all) != 1 {
		t.Fatalf("%d records in %s, want 1", len(all), name)
	}
	if all[0].Key != "pump/pi-7" {
		t.Errorf("key %q", all[0].Key)
	}
	if want := (intake.Meta{Kind: kind, Type: protobuf, Source: "127.0.0.1"}); metaOf(t, all[0]) != want {
		t.Errorf("meta %+v, want %+v", metaOf(t, all[0]), want)
	}
	if err := proto.Unmarshal(all[0].Data, into); err != nil {
		t.Fatal(err)
	}
}

func TestSDKLogs(t *testing.T) {
	r := start(t, nil)
	e, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(r.host()), otlploghttp.WithInsecure(), otlploghttp.WithCompression(otlploghttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	p := sdklog.NewLoggerProvider(sdklog.WithResource(who), sdklog.WithProcessor(sdklog.NewSimpleProcessor(e)))
	var line log.Record
	line.SetBody(attribute.StringValue("valve open"))
	line.SetSeverity(log.SeverityWarn)
	p.Logger("plc").Emit(t.Context(), line)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got collogs.ExportLogsServiceRequest
	r.only(t, otlp.DefaultLogs, intake.Logs, &got)
	if body := got.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Body.GetStringValue(); body != "valve open" {
		t.Errorf("body %q", body)
	}
}

func TestSDKMetrics(t *testing.T) {
	r := start(t, nil)
	e, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(r.host()), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	p := metric.NewMeterProvider(metric.WithResource(who), metric.WithReader(metric.NewPeriodicReader(e)))
	starts, err := p.Meter("pump").Int64Counter("starts")
	if err != nil {
		t.Fatal(err)
	}
	length, err := p.Meter("pump").Float64Histogram("length")
	if err != nil {
		t.Fatal(err)
	}
	starts.Add(t.Context(), 5)
	length.Record(t.Context(), 2.5)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got colmetrics.ExportMetricsServiceRequest
	r.only(t, otlp.DefaultMetrics, intake.Metrics, &got)
	if n := len(got.ResourceMetrics[0].ScopeMetrics[0].Metrics); n != 2 {
		t.Errorf("%d metrics", n)
	}
	if s := r.Stats(); s.Requests != 1 || s.Records != 1 || s.Items != 2 {
		t.Errorf("stats %+v", s)
	}
}

// TestSDKTraces also shows that the SDK comes again after 503.
func TestSDKTraces(t *testing.T) {
	r := start(t, nil)
	var puts atomic.Int64
	r.log.Fail = func(op string) error {
		if op == "put" && puts.Add(1) <= 2 {
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: op}
		}
		return nil
	}
	e, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpoint(r.host()), otlptracehttp.WithInsecure(),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Millisecond, MaxElapsedTime: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	p := trace.NewTracerProvider(trace.WithResource(who), trace.WithSyncer(e))
	_, s := p.Tracer("pump").Start(t.Context(), "start")
	s.AddEvent("primed")
	s.End()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got coltraces.ExportTraceServiceRequest
	r.only(t, otlp.DefaultTraces, intake.Traces, &got)
	if name := got.ResourceSpans[0].ScopeSpans[0].Spans[0].Name; name != "start" {
		t.Errorf("span %q", name)
	}
	if s := r.Stats(); s.Failed != 2 || s.Requests != 1 {
		t.Errorf("stats %+v", s)
	}
}
