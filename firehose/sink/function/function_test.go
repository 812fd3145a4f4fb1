package function_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/function"
	"headgate/firehose/sinktest"
)

// host runs a function that keeps what it is given, as a Lambda host would. It
// fails when it finds a record that says so.
type host struct {
	url      string
	parallel int

	mu      sync.Mutex
	found   []string // guarded by mu
	broken  bool     // guarded by mu
	reports bool     // guarded by mu: failures by batchItemFailures, not by failing
	calls   int      // guarded by mu
}

func open(t *testing.T) *host {
	h := &host{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

type document struct {
	Batch string
	N     int
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Path != "/2015-03-31/functions/count/invocations" || h.broken {
		http.Error(w, `{"Type":"User","Message":"Function not found"}`, http.StatusNotFound)
		return
	}
	if r.Header.Get("X-Amz-Invocation-Type") == "DryRun" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var e struct {
		Records []struct {
			EventSource, EventID string
			Kinesis              struct {
				SequenceNumber string
				Data           []byte
			}
		}
	}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.calls++
	var failures []map[string]string
	var found []string
	for _, rec := range e.Records {
		var d document
		if json.Unmarshal(rec.Kinesis.Data, &d) != nil || rec.EventSource != "aws:kinesis" {
			if !h.reports {
				w.Header().Set("X-Amz-Function-Error", "Unhandled")
				fmt.Fprint(w, `{"errorMessage":"cannot read it","errorType":"ValueError"}`)
				return
			}
			failures = append(failures, map[string]string{"itemIdentifier": rec.Kinesis.SequenceNumber})
			continue
		}
		found = append(found, fmt.Sprintf("%s/%d", d.Batch, d.N))
	}
	h.found = append(h.found, found...)
	_ = json.NewEncoder(w).Encode(map[string]any{"batchItemFailures": failures})
}

func (h *host) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	s, err := function.Open(function.Config{URL: h.url, Name: "count", Attempts: 1, Parallel: h.parallel})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *host) Documents(*testing.T) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.found...)
}

func (h *host) Break(*testing.T) (mend func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.broken = false
	}
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
	for name, reports := range map[string]bool{"failing whole": false, "reporting items": true} {
		for _, parallel := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", parallel ", parallel), func(t *testing.T) {
				sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: "no document"}, func(t *testing.T) sinktest.Desk {
					h := open(t)
					h.reports, h.parallel = reports, parallel
					return h
				})
			})
		}
	}
}

// A function may fail for reasons of its own: its batch comes again some times
// before it is halved.
func TestABatchIsHalvedAfterSomeAttempts(t *testing.T) {
	h := open(t)
	s, err := function.Open(function.Config{URL: h.url, Name: "count", Attempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	poison := sinktest.Replaced(sinktest.Documents(encoder(t), "bad", 4, 100), 2, "no document")
	for i, want := range []firehose.Class{firehose.Transient, firehose.Transient, firehose.Poison, firehose.Transient} {
		if r := s.Deliver(t.Context(), poison); r.Class != want || r.Err == nil {
			t.Errorf("attempt %d: %s: %v", i+1, r.Class, r.Err)
		}
	}
}

func TestAnswers(t *testing.T) {
	for status, want := range map[int]firehose.Class{
		200: firehose.Delivered, 202: firehose.Delivered, 400: firehose.Poison, 401: firehose.Auth, 403: firehose.Auth, 404: firehose.Config,
		301: firehose.Config, 413: firehose.TooLarge, 429: firehose.Throttled, 500: firehose.Transient, 503: firehose.Throttled,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		}))
		s, err := function.Open(function.Config{URL: server.URL, Name: "count"})
		if err != nil {
			t.Fatal(err)
		}
		r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "x", 1, 10))
		if r.Class != want || want == firehose.Throttled && r.RetryAfter.Seconds() != 7 {
			t.Errorf("%d: %s after %v, want %s", status, r.Class, r.RetryAfter, want)
		}
		server.Close()
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []function.Config{{}, {URL: "ftp://x", Name: "f"}, {URL: "http://x"}, {URL: "http://u:p@x", Name: "f"}, {URL: "http://x", Name: "f", Records: 20000}} {
		if _, err := function.Open(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// The parts of a batch that the function took do not come again with those
// that it did not, and the records of a key are in one part.
func TestPartsThatWereTakenDoNotComeAgain(t *testing.T) {
	var mu sync.Mutex
	calls, keys := map[string]int{}, map[string]map[string]bool{}
	broken := true
	s, err := function.Open(function.Config{Name: "f", Parallel: 3, Attempts: 5, Hosted: func(_ context.Context, event []byte) ([]byte, bool, error) {
		var e struct {
			Records []struct {
				Kinesis struct{ PartitionKey string }
			}
		}
		if err := json.Unmarshal(event, &e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		calls[string(event)]++
		for _, r := range e.Records {
			if keys[r.Kinesis.PartitionKey] == nil {
				keys[r.Kinesis.PartitionKey] = map[string]bool{}
			}
			keys[r.Kinesis.PartitionKey][string(event)] = true
		}
		if broken && e.Records[0].Kinesis.PartitionKey == "device-1" {
			return []byte("not today"), true, nil
		}
		return nil, false, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := sinktest.Documents(encoder(t), "b", 30, 100) // of three devices
	if r := s.Deliver(t.Context(), b); r.Class != firehose.Transient || !strings.Contains(r.Err.Error(), "not today") {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	broken = false
	if r := s.Deliver(t.Context(), b); !r.Done() {
		t.Error(r.Err)
	}
	twice := 0
	for _, n := range calls {
		if n == 2 {
			twice++
		}
	}
	if len(calls) < 2 || twice != 1 {
		t.Errorf("%d parts, %d of them twice", len(calls), twice)
	}
	for key, in := range keys {
		if len(in) != 1 {
			t.Errorf("%s is in %d parts", key, len(in))
		}
	}
}
