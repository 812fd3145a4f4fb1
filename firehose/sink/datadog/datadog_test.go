package datadog_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/datadog"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

const key = "0123456789abcdef"

// intake takes logs as Datadog's API reference has it, and keeps the entries.
func intake(t *testing.T, entries *[]map[string]any) *sinktest.Intake {
	return sinktest.StartIntake(t, func(w http.ResponseWriter, r *http.Request, body []byte) (messages []string) {
		var all []map[string]any
		switch {
		case r.URL.Path != "/api/v2/logs":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("DD-API-KEY") != key:
			w.WriteHeader(http.StatusForbidden)
		case json.Unmarshal(body, &all) != nil || len(all) > 1000:
			w.WriteHeader(http.StatusBadRequest)
		case len(body) > 5_000_000:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			for _, e := range all {
				messages = append(messages, e["message"].(string))
			}
			if entries != nil {
				*entries = append(*entries, all...)
			}
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte("{}"))
		}
		return messages
	})
}

func sink(t *testing.T, c datadog.Config) firehose.Sink {
	t.Helper()
	c.Key = key
	s, err := datadog.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: strings.Repeat("x", 1_000_000)}, func(t *testing.T) sinktest.Desk {
		return intake(t, nil).At(func(t *testing.T, url string) firehose.Sink { return sink(t, datadog.Config{URL: url}) })
	})
}

func TestAnEntryTellsWhatItIs(t *testing.T) {
	var entries []map[string]any
	in := intake(t, &entries)
	b := sinktest.Replaced(sinktest.Documents(encoder(t), "b", 1, 100), 1, "no \xff JSON")
	if r := sink(t, datadog.Config{URL: in.URL, Source: "press", Service: "line", Host: "gate", Tags: []string{"env:plant", "hall:3"}}).Deliver(t.Context(), b); !r.Done() || r.Bytes == 0 {
		t.Fatal(r.Err)
	}
	want := map[string]any{"ddsource": "press", "service": "line", "hostname": "gate", "ddtags": "env:plant,hall:3", "message": "no � JSON",
		"timestamp": float64(b.Arrived.UnixMilli()), "gw.batch": b.ID, "gw.seq": b.Source + "-1", "gw.stream": "s"}
	for name, value := range want {
		if entries[0][name] != value {
			t.Errorf("%s is %v, want %v", name, entries[0][name], value)
		}
	}
	if len(entries[0]) != len(want) {
		t.Errorf("%v", entries[0])
	}
}

// What has waited longer than Datadog takes it would be dropped there in silence.
func TestTheStaleAreStampedAnew(t *testing.T) {
	later := func() time.Time { return time.Now().Add(72 * time.Hour) }
	for _, stale := range []string{"", "send", "refuse"} {
		var entries []map[string]any
		in := intake(t, &entries)
		b := sinktest.Documents(encoder(t), "b", 2, 100)
		config := datadog.Config{URL: in.URL, Now: later}
		config.Stale = datadog.Stale(stale)
		r := sink(t, config).Deliver(t.Context(), b)
		if stale == "refuse" {
			if r.Class != firehose.Poison || len(r.Items) != 2 || r.Items[0].Code != "Record.Stale" || len(entries) != 0 {
				t.Errorf("%+v", r)
			}
			continue
		}
		if !r.Done() {
			t.Fatal(r.Err)
		}
		at, arrived := time.UnixMilli(int64(entries[0]["timestamp"].(float64))), entries[0]["gw.arrived"]
		if anew := at.Sub(b.Arrived) > 71*time.Hour; anew != (stale == "") || (arrived != nil) != (stale == "") {
			t.Errorf("%q: %s, arrived %v", stale, at, arrived)
		}
	}
}

func TestAgainstVictoriaLogs(t *testing.T) {
	v := sinktest.StartVictoria(t)
	s := sink(t, datadog.Config{URL: v.URL + "/insert/datadog", Service: "line"})
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatal(r.Err)
	}
	b := sinktest.Documents(encoder(t), "b", 500, 300)
	if r := s.Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	found := map[string]int{}
	for _, e := range v.All(t) {
		if e["service"] != "line" || e["gw.batch"] != b.ID {
			t.Fatalf("%v", e)
		}
		found[e["gw.seq"]]++
	}
	if len(found) != 500 {
		t.Errorf("%d entries", len(found))
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []datadog.Config{{}, {Key: key, URL: "ftp://x"}, {Key: key, Site: "a b"}, {Key: key, Stale: "whatever"}} {
		if _, err := datadog.Open(c); shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(err.Error(), key) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
