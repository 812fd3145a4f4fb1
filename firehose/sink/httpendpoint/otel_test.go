package httpendpoint_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"

	"headgate/firehose"
	"headgate/firehose/sink/httpendpoint"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// OpenTelemetry's receiver of Firehose's protocol takes what we send. At its
// version records must be CloudWatch's.
func TestAgainstOpenTelemetrysReceiver(t *testing.T) {
	c := sinktest.StartCollector(t)
	b := sinktest.Documents(encoder(t), "b", 20, 100)
	for n := 1; n <= b.Count; n++ {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		fmt.Fprintf(z, `{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"%d","timestamp":1767225600000,"message":"event %d"}]}`, n, n)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		b = sinktest.Replaced(b, shardlog.Seq(n), packed.String())
	}
	for _, packed := range []bool{false, true} {
		s := sink(t, httpendpoint.Config{URL: c.Firehose, AccessKey: "sesame", Gzip: packed, Attributes: map[string]string{"site": "north"}})
		if r := s.Probe(t.Context()); !r.Done() {
			t.Fatal(r.Err)
		}
		if r := s.Deliver(t.Context(), b); !r.Done() {
			t.Fatalf("gzip %v: %v", packed, r.Err)
		}
	}
	seen := map[string]int{}
	for _, e := range c.Took(t, "firehose", 2*b.Count) {
		if e.Resource["site"] != "north" {
			t.Fatalf("%+v", e)
		}
		seen[string(e.Body)]++
	}
	if len(seen) != b.Count || seen[`{"stringValue":"event 7"}`] != 2 {
		t.Errorf("%v", seen)
	}
	if r := sink(t, httpendpoint.Config{URL: c.Firehose, AccessKey: "wrong"}).Deliver(t.Context(), b); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

// A record that the receiver cannot read is refused in the protocol's words, so
// that it is found and goes to the error output.
func TestOpenTelemetrysReceiverRefusesARecord(t *testing.T) {
	c := sinktest.StartCollector(t)
	for _, packed := range []bool{false, true} {
		s := sink(t, httpendpoint.Config{URL: c.Firehose, AccessKey: "sesame", Gzip: packed})
		if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); r.Class != firehose.Poison {
			t.Errorf("gzip %v: %s: %v", packed, r.Class, r.Err)
		}
	}
	if r := sink(t, httpendpoint.Config{URL: c.Firehose, AccessKey: "wrong"}).Probe(t.Context()); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}
