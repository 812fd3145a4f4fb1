package newrelic_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/newrelic"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

const key = "0123456789abcdef"

type block struct {
	Common struct{ Attributes map[string]string }
	Logs   []struct {
		Timestamp  int64
		Message    string
		Attributes map[string]string
	}
}

// intake takes logs as New Relic's documents have it, of which there is no
// server to be had.
func intake(t *testing.T, blocks *[]block) *sinktest.Intake {
	return sinktest.StartIntake(t, func(w http.ResponseWriter, r *http.Request, body []byte) (messages []string) {
		var all []block
		switch {
		case r.URL.Path != "/log/v1":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Api-Key") != key:
			w.WriteHeader(http.StatusForbidden)
		case r.ContentLength > 1_000_000:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case json.Unmarshal(body, &all) != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			for _, one := range all {
				for _, e := range one.Logs {
					messages = append(messages, e.Message)
				}
			}
			if blocks != nil {
				*blocks = append(*blocks, all...)
			}
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte(`{"requestId":"11111111-2222-3333-4444-555555555555"}`))
		}
		return messages
	})
}

func sink(t *testing.T, c newrelic.Config) firehose.Sink {
	t.Helper()
	c.Key = key
	s, err := newrelic.Open(c)
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
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk {
		return intake(t, nil).At(func(t *testing.T, url string) firehose.Sink { return sink(t, newrelic.Config{URL: url}) })
	})
}

func TestAnEntryTellsWhatItIs(t *testing.T) {
	var blocks []block
	in := intake(t, &blocks)
	b := sinktest.Documents(encoder(t), "b", 2, 100)
	if r := sink(t, newrelic.Config{URL: in.URL, Attributes: map[string]string{"site": "north"}}).Deliver(t.Context(), b); !r.Done() || r.Bytes == 0 {
		t.Fatal(r.Err)
	}
	got := blocks[0]
	if got.Common.Attributes["gw.batch"] != b.ID || got.Common.Attributes["gw.stream"] != "s" || got.Common.Attributes["site"] != "north" {
		t.Errorf("%+v", got)
	}
	if e := got.Logs[1]; e.Timestamp != b.Arrived.UnixMilli() || e.Attributes["gw.seq"] != b.Source+"-2" || !strings.HasPrefix(e.Message, `{"batch":"b","n":2`) {
		t.Errorf("%+v", e)
	}
}

func TestWhatIsTooLargeIsNotSent(t *testing.T) {
	in := intake(t, nil)
	noise := make([]byte, 900_000)
	for i := range noise {
		noise[i] = byte('!' + rand.IntN(90))
	}
	b := sinktest.Documents(encoder(t), "b", 2, 100)
	b = sinktest.Replaced(sinktest.Replaced(b, 1, string(noise)), 2, string(noise))
	if r := sink(t, newrelic.Config{URL: in.URL}).Deliver(t.Context(), b); r.Class != firehose.TooLarge || len(in.Documents(t)) != 0 {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestTheStaleAreStampedAnew(t *testing.T) {
	for hours, want := range map[int]bool{47: false, 49: true} {
		var blocks []block
		in := intake(t, &blocks)
		s := sink(t, newrelic.Config{URL: in.URL, Now: func() time.Time { return time.Now().Add(time.Duration(hours) * time.Hour) }})
		if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 1, 100)); !r.Done() {
			t.Fatal(r.Err)
		}
		if got := blocks[0].Logs[0].Attributes["gw.arrived"] != ""; got != want {
			t.Errorf("%d hours: %v", hours, blocks)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []newrelic.Config{{}, {Key: key, URL: "ftp://x"}, {Key: key, Region: "mars"}, {Key: key, Stale: "whatever"}} {
		if _, err := newrelic.Open(c); shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(err.Error(), key) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
