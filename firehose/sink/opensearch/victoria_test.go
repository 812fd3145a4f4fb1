package opensearch_test

import (
	"fmt"
	"testing"

	"headgate/firehose/sink/opensearch"
	"headgate/firehose/sinktest"
)

// Taken by a server of others, each document once and as it is.
func TestAgainstVictoriaLogs(t *testing.T) {
	v := sinktest.StartVictoria(t)
	s := sink(t, opensearch.Config{URL: v.URL + "/insert/elasticsearch", Index: "telemetry", IDs: opensearch.NoIDs, Query: "_stream_fields=batch&_msg_field=message"})
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatal(r.Err)
	}
	if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 500, 300)); !r.Done() || r.Bytes == 0 {
		t.Fatalf("%+v", r)
	}
	found := map[string]int{}
	for _, doc := range v.All(t) {
		found[doc["batch"]+"/"+doc["n"]]++
	}
	for n := 1; n <= 500; n++ {
		if got := found[fmt.Sprintf("b/%d", n)]; got != 1 {
			t.Errorf("document %d is there %d times", n, got)
		}
	}
}
