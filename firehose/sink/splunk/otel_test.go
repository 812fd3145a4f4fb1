package splunk_test

import (
	"strings"
	"testing"

	"headgate/firehose/sink/splunk"
	"headgate/firehose/sinktest"
)

// OpenTelemetry's receiver, with its own acknowledgements, takes what we send:
// each event once, with its fields.
func TestAgainstOpenTelemetrysReceiver(t *testing.T) {
	c := sinktest.StartCollector(t)
	s := sink(t, splunk.Config{URL: c.Splunk, Token: token, Source: "line 3", SourceType: "press"})
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatal(r.Err)
	}
	b := sinktest.Documents(encoder(t), "b", 300, 200)
	if r := s.Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	seen := map[string]int{}
	for _, e := range c.Took(t, "splunk", b.Count) {
		if e.Attributes["gw_batch"] != b.ID || e.Attributes["com.splunk.source"]+e.Resource["com.splunk.source"] != "line 3" {
			t.Fatalf("%+v", e)
		}
		if !strings.Contains(string(e.Body), `"batch"`) {
			t.Fatalf("%s", e.Body)
		}
		seen[e.Attributes["gw_seq"]]++
	}
	for seq, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", seq, n)
		}
	}
	if len(seen) != b.Count {
		t.Errorf("%d events of %d", len(seen), b.Count)
	}
}
