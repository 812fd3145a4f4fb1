package transform_test

import (
	"testing"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// task is reference §4's: keep a record if temp > 50 and status is RUN, rename
// one field, add one.
const (
	native  = "- filter: temp > 50 and status == \"RUN\"\n- rename: {from: temp, to: temperature}\n- set: {path: site, value: north}"
	byJQ    = `- jq: {program: 'select(.temp > 50 and .status == "RUN") | .temperature = .temp | del(.temp) | .site = "north"'}`
	reading = `{"device":"press-0042","line":"north-3","ts":"2026-07-01T12:30:00.005Z","temp":61.25,"status":"RUN","pressure":4.125,` +
		`"gps":{"lat":48.137154,"lon":11.576124,"alt":519},"vibration":{"x":0.012,"y":-0.034,"z":0.998},"firmware":"2.4.17","battery":87,` +
		`"seq":9182736,"tags":["hydraulic","shift-2"]}`
)

func readings(n int) []firehose.Record {
	all := make([]firehose.Record, n)
	for i := range all {
		all[i] = firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(i), Key: "press-0042", Data: []byte(reading), Arrived: arrived}}
	}
	return all
}

// BenchmarkNativeAgainstJQ sends the same records both ways, in turn, and
// prints the time of a record and how many times longer jq takes: of all
// rounds together, and of each way's best round, which a busy machine disturbs
// least.
func BenchmarkNativeAgainstJQ(b *testing.B) {
	in := readings(100)
	chains := [2]firehose.Transform{chain(b, native), chain(b, byJQ)}
	var took [2]time.Duration
	best := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for i, c := range chains {
			start := time.Now()
			if got, err := c.Apply(b.Context(), in); err != nil || len(got.Records) != len(in) {
				b.Fatal(got.Refused, err)
			}
			round := time.Since(start)
			took[i] += round
			best[i] = min(best[i], round)
		}
	}
	each := float64(len(in))
	b.ReportMetric(float64(best[0])/each, "native-best-ns/record")
	b.ReportMetric(float64(best[1])/each, "jq-best-ns/record")
	b.ReportMetric(float64(best[1])/float64(best[0]), "jq/native-best")
	b.ReportMetric(float64(took[1])/float64(took[0]), "jq/native-all")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkNative is for allocations.
func BenchmarkNative(b *testing.B) {
	in, c := readings(100), chain(b, native)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Apply(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBothWaysAreTheSame: the benchmark compares like with like.
func TestBothWaysAreTheSame(t *testing.T) {
	in := append(readings(1), records(`{"temp":50,"status":"RUN"}`, `{"temp":51,"status":"STOP"}`)...)
	in[1].Seq, in[2].Seq = 1, 2
	want := tell(t, chain(t, native+"\n- jq: {program: .}"), in) // in jq's order of names
	if got := tell(t, chain(t, byJQ), in); got != want {
		t.Errorf("jq: %s\nnative: %s", got, want)
	}
}
