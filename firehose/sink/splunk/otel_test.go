package splunk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/firehose"
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

// peer is OpenTelemetry's event collector behind a door that can be shut,
// since it checks no token itself.
type peer struct {
	sinktest.Collector
	url   string
	shut  *atomic.Bool
	marks *atomic.Int32
}

func startPeer(t *testing.T) sinktest.Desk {
	p := peer{Collector: sinktest.StartCollector(t), shut: &atomic.Bool{}, marks: &atomic.Int32{}}
	to, err := url.Parse(p.Splunk)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(to)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.shut.Load() {
			say(w, http.StatusForbidden, 4, "")
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	p.url = door.URL
	return p
}

func (p peer) Sink(t *testing.T) firehose.Sink {
	return sink(t, splunk.Config{URL: p.url, Token: token})
}

// Documents sends a mark and waits until that is there: what was taken before
// it is before it.
func (p peer) Documents(t *testing.T) []string {
	mark := fmt.Sprintf("mark-%d", p.marks.Add(1))
	if r := p.Sink(t).Deliver(t.Context(), sinktest.Replaced(sinktest.Documents(encoder(t), mark, 1, 100), 1, mark)); !r.Done() {
		t.Fatal(r.Err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); ; {
		found := []string{}
		for _, e := range p.Took(t, "splunk", 1) {
			switch id := named(e.Body); {
			case id == mark:
				return found
			case !strings.HasPrefix(id, "mark-"):
				found = append(found, id)
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(mark + " never came")
		}
	}
}

// named is a document's name, or what else was put.
func named(body json.RawMessage) string {
	var v struct {
		StringValue string
		KvlistValue struct {
			Values []struct {
				Key   string
				Value map[string]any
			}
		}
	}
	_ = json.Unmarshal(body, &v)
	fields := map[string]any{}
	for _, f := range v.KvlistValue.Values {
		for _, value := range f.Value {
			fields[f.Key] = value
		}
	}
	if len(fields) == 0 {
		return v.StringValue
	}
	return fmt.Sprintf("%v/%v", fields["batch"], fields["n"])
}

func (p peer) Break(*testing.T) (mend func()) {
	p.shut.Store(true)
	return func() { p.shut.Store(false) }
}

func TestConformanceWithOpenTelemetrysReceiver(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: `""`}, startPeer)
}

// What others read of an event is what was put.
func TestOpenTelemetrysReceiverReadsWhatWasPut(t *testing.T) {
	c := sinktest.StartCollector(t)
	b := sinktest.Replaced(sinktest.Documents(encoder(t), "b", 2, 100), 1, "<b> & \"text\"\nof two lines")
	b = sinktest.Replaced(b, 2, `{"deep":{"list":[true,"<x>"]}}`)
	if r := sink(t, splunk.Config{URL: c.Splunk, Token: token, Host: "gate", Index: "plant"}).Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	took := c.Took(t, "splunk", 2)
	if named(took[0].Body) != "<b> & \"text\"\nof two lines" || !strings.Contains(string(took[1].Body), `"boolValue":true`) {
		t.Errorf("%s\n%s", took[0].Body, took[1].Body)
	}
	if r := took[0].Resource; r["host.name"] != "gate" || r["com.splunk.index"] != "plant" || took[0].Attributes["gw_seq"] != b.Source+"-1" {
		t.Errorf("%+v", took[0])
	}
}

func TestOpenTelemetrysReceiverReadsRawLines(t *testing.T) {
	c := sinktest.StartCollector(t)
	s := sink(t, splunk.Config{URL: c.Splunk, Token: token, Raw: true, SourceType: "press"})
	if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); !r.Done() {
		t.Fatal(r.Err)
	}
	if took := c.Took(t, "splunk", 3); len(took) != 3 || !strings.HasPrefix(named(took[2].Body), `{"batch":"b","n":3,`) || took[0].Resource["com.splunk.sourcetype"] != "press" {
		t.Errorf("%+v", took)
	}
}
