package otlp_test

import (
	"bytes"
	"strings"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"headgate/ingest/otlp"
)

// everything is a request of each signal that has most fields set.
func everything() map[string]proto.Message {
	nested := &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: []*common.KeyValue{
		{Key: "list", Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{
			text("é\"\\"), {Value: &common.AnyValue_IntValue{IntValue: -5}}, {Value: &common.AnyValue_BytesValue{BytesValue: []byte{0xff, 0xfe}}},
			{Value: &common.AnyValue_DoubleValue{DoubleValue: 1e300}}, {Value: &common.AnyValue_BoolValue{BoolValue: true}}}}}}}}}}}
	some := []*common.KeyValue{{Key: "k", Value: nested}}
	sum, exp := 5.5, 2.25
	exemplars := []*metricspb.Exemplar{{FilteredAttributes: some, TimeUnixNano: 4, SpanId: []byte("12345678"), Value: &metricspb.Exemplar_AsInt{AsInt: 1}}}
	logs := said(from("service.name", "s"), "one", "two")
	logs.ScopeLogs[0].LogRecords[0].Attributes = some
	metrics := []*metricspb.Metric{
		{Name: "g", Unit: "1", Metadata: some, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{
			{Attributes: some, Exemplars: exemplars, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: 0.5}}}}}},
		{Name: "h", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: 2, DataPoints: []*metricspb.HistogramDataPoint{
			{Count: 3, Sum: &sum, BucketCounts: []uint64{1, 2}, ExplicitBounds: []float64{1.5}}}}}},
		{Name: "e", Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{DataPoints: []*metricspb.ExponentialHistogramDataPoint{
			{Scale: -2, Min: &exp, Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: -1, BucketCounts: []uint64{1, 300}}}}}}},
		{Name: "s", Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: []*metricspb.SummaryDataPoint{
			{QuantileValues: []*metricspb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.9, Value: 1}}}}}}},
	}
	span := &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: []byte("12345678"), Name: "n", Kind: 2, Flags: 1, Attributes: some,
		Events: []*tracepb.Span_Event{{Name: "e", Attributes: some}}, Links: []*tracepb.Span_Link{{TraceState: "t"}}, Status: &tracepb.Status{Message: "m", Code: 2}}
	return map[string]proto.Message{
		"logs": request(logs, said(nil)),
		"metrics": &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{Resource: from("host.name", "h"),
			ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: metrics}}}}},
		"traces": &coltraces.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{Resource: from("host.name", "h"),
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{span}}}}}},
	}
}

func empty(of string) proto.Message {
	switch of {
	case "metrics":
		return &colmetrics.ExportMetricsServiceRequest{}
	case "traces":
		return &coltraces.ExportTraceServiceRequest{}
	default:
		return &collogs.ExportLogsServiceRequest{}
	}
}

// asJSON is a message as OTLP writes it: ids are hex.
func asJSON(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("AQEBAQEBAQEBAQEBAQEBAQ=="), bytes.Repeat([]byte("01"), 16))
	return bytes.ReplaceAll(b, []byte("MTIzNDU2Nzg="), []byte("3132333435363738"))
}

func TestEverythingIsUnderstood(t *testing.T) {
	for of, m := range everything() {
		for kind, b := range map[string][]byte{protobuf: wire(t, m), jsonText: asJSON(t, m)} {
			if err := otlp.Check(of, kind, b); err != nil {
				t.Errorf("%s in %s: %v\n%s", of, kind, err, b)
			}
			if n, want := otlp.Count(of, kind, b), map[string]int64{"logs": 2, "metrics": 4, "traces": 1}[of]; n != want {
				t.Errorf("%s in %s: %d items, want %d", of, kind, n, want)
			}
		}
	}
}

// FuzzProtobuf: what is let in is what protobuf's own decoder takes, and the
// pieces of it are well-formed, small enough and hold all its items.
func FuzzProtobuf(f *testing.F) {
	for of, m := range everything() {
		f.Add(of, wire(f, m))
	}
	f.Add("logs", wire(f, request(said(from("service.name", "s"), strings.Repeat("x", 5000), strings.Repeat("y", 1000)), said(nil, "z"))))
	f.Fuzz(func(t *testing.T, of string, b []byte) {
		if of != "metrics" && of != "traces" {
			of = "logs"
		}
		err := otlp.Check(of, protobuf, b)
		theirs := proto.Unmarshal(b, empty(of))
		if err == nil && theirs != nil {
			t.Fatalf("let in, but %v", theirs)
		}
		if err != nil {
			if theirs == nil && !strings.Contains(err.Error(), "in one another") {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		pieces(t, of, protobuf, b)
	})
}

// FuzzJSON: pieces of what is let in are well-formed, small enough and hold
// all its items.
func FuzzJSON(f *testing.F) {
	for of, m := range everything() {
		f.Add(of, asJSON(f, m))
	}
	f.Add("logs", []byte(`{"resourceLogs":[{"resource":null,"scopeLogs":[{"logRecords":[{},{"body":{"stringValue":"`+strings.Repeat("x", 4000)+`"}}]},{}]}],"resourceLogs":null}`))
	f.Add("traces", []byte(`{"\u0072esourceSpans":[{ },{"x":[1,{"y":"]}"}]}]}`))
	f.Fuzz(func(t *testing.T, of string, b []byte) {
		if of != "metrics" && of != "traces" {
			of = "logs"
		}
		if otlp.Check(of, jsonText, b) == nil {
			pieces(t, of, jsonText, b)
		}
	})
}

func pieces(t *testing.T, of, kind string, b []byte) {
	t.Helper()
	const most = 4 << 10
	for _, byResource := range []bool{false, true} {
		all, rejected, err := otlp.Cut(of, kind, b, most, byResource)
		if err != nil {
			t.Fatal(err)
		}
		n := rejected
		for _, p := range all {
			if err := otlp.Check(of, kind, p.Data); err != nil {
				t.Fatalf("a piece: %v\n%q", err, p.Data)
			}
			if p.Key == "" || len(p.Key)+len(p.Data) > most {
				t.Fatalf("a piece of %d bytes under %q", len(p.Data), p.Key)
			}
			n += otlp.Count(of, kind, p.Data)
		}
		if want := otlp.Count(of, kind, b); n != want {
			t.Fatalf("%d items in %d pieces and %d rejected, want %d", n-rejected, len(all), rejected, want)
		}
	}
}

func TestNestingHasABound(t *testing.T) {
	deep := text("x")
	for range 200 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	r := request(said(nil, "x"))
	r.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Body = deep
	for kind, b := range map[string][]byte{protobuf: wire(t, r), jsonText: asJSON(t, r)} {
		if err := otlp.Check("logs", kind, b); err == nil {
			t.Errorf("%s: let in", kind)
		}
	}
	if err := otlp.Check("logs", jsonText, []byte(`{"later":`+strings.Repeat("[", 1e6))); err == nil {
		t.Error("a million arrays are let in")
	}
}
