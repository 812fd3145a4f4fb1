package otlp_test

import (
	"strings"
	"testing"

	"headgate/firehose/sink/otlp"
	"headgate/firehose/sinktest"
)

// OpenTelemetry's own receiver takes what we send, each record once and as a
// map.
func TestAgainstOpenTelemetrysReceiver(t *testing.T) {
	c := sinktest.StartCollector(t)
	s := sink(t, otlp.Config{URL: c.OTLP, Resource: map[string]string{"site": "north"}})
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatal(r.Err)
	}
	b := sinktest.Documents(encoder(t), "b", 300, 200)
	if r := s.Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	seen := map[string]int{}
	for _, e := range c.Took(t, "otlp", b.Count) {
		if e.Resource["site"] != "north" || e.Attributes["gw.batch"] != b.ID || !strings.Contains(string(e.Body), "kvlistValue") {
			t.Fatalf("%+v", e)
		}
		seen[e.Attributes["gw.seq"]]++
	}
	if len(seen) != b.Count {
		t.Errorf("%d records of %d", len(seen), b.Count)
	}
}
