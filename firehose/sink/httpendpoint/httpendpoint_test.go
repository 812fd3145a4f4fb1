package httpendpoint_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/httpendpoint"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

const key = "its-access-key"

// endpoint takes records as the protocol's specification has it.
type endpoint struct {
	url string

	mu     sync.Mutex
	found  []string    // guarded by mu
	broken bool        // guarded by mu
	ids    []string    // guarded by mu: of requests that were taken
	last   http.Header // guarded by mu
}

func open(t *testing.T) *endpoint {
	e := &endpoint{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.url = server.URL + "/v1/firehose"
	return e
}

type request struct {
	RequestID string
	Timestamp int64
	Records   []struct{ Data []byte }
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = r.Header
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			e.answer(w, http.StatusBadRequest, "", err.Error())
			return
		}
		body = z
	}
	var req request
	err := json.NewDecoder(body).Decode(&req)
	switch {
	case r.URL.Path != "/v1/firehose":
		http.NotFound(w, r)
		return
	case r.Header.Get("X-Amz-Firehose-Access-Key") != key || e.broken:
		e.answer(w, http.StatusUnauthorized, req.RequestID, "who are you")
		return
	case err != nil || req.Timestamp == 0 || req.RequestID == "" || req.RequestID != r.Header.Get("X-Amz-Firehose-Request-Id"),
		r.Header.Get("X-Amz-Firehose-Protocol-Version") != "1.0", r.Header.Get("Content-Type") != "application/json":
		e.answer(w, http.StatusBadRequest, req.RequestID, "no request of the protocol")
		return
	}
	var found []string
	for _, rec := range req.Records {
		var d struct {
			Batch string
			N     int
		}
		if json.Unmarshal(rec.Data, &d) != nil {
			e.answer(w, http.StatusBadRequest, req.RequestID, "no document")
			return
		}
		found = append(found, fmt.Sprintf("%s/%d", d.Batch, d.N))
	}
	e.found, e.ids = append(e.found, found...), append(e.ids, req.RequestID)
	e.answer(w, http.StatusOK, req.RequestID, "")
}

func (e *endpoint) answer(w http.ResponseWriter, status int, id, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"requestId": id, "timestamp": 1578090903599, "errorMessage": message})
}

func (e *endpoint) config() httpendpoint.Config {
	return httpendpoint.Config{URL: e.url, Name: "logs", Delivery: "d", AccessKey: key, Attributes: map[string]string{"site": "north"}}
}

func sink(t *testing.T, c httpendpoint.Config) firehose.Sink {
	t.Helper()
	s, err := httpendpoint.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (e *endpoint) Documents(*testing.T) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.found...)
}

func (e *endpoint) Break(*testing.T) (mend func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = true
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.broken = false
	}
}

type desk struct {
	*endpoint
	gzip bool
}

func (d desk) Sink(t *testing.T) firehose.Sink {
	c := d.config()
	c.Gzip = d.gzip
	return sink(t, c)
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Delimiter: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprint("gzip ", gzip), func(t *testing.T) {
			sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: "no document"}, func(t *testing.T) sinktest.Desk { return desk{open(t), gzip} })
		})
	}
}

func TestARequestIsTheSameInEveryAttempt(t *testing.T) {
	e := open(t)
	b := sinktest.Documents(encoder(t), "same", 3, 100)
	for range 2 {
		if r := sink(t, e.config()).Deliver(t.Context(), b); !r.Done() {
			t.Fatal(r.Err)
		}
	}
	if len(e.ids) != 2 || e.ids[0] != e.ids[1] || e.ids[0] != b.ID {
		t.Errorf("%v, want %s twice", e.ids, b.ID)
	}
	if got := e.last.Get("X-Amz-Firehose-Common-Attributes"); got != `{"commonAttributes":{"site":"north"}}` {
		t.Error(got)
	}
	if got := e.last.Get("X-Amz-Firehose-Source-Arn"); got != "arn:aws:firehose:us-east-1:000000000000:deliverystream/d" {
		t.Error(got)
	}
}

func TestOnlyOurIDIsDelivered(t *testing.T) {
	for answer, want := range map[string]firehose.Class{
		`200 {"requestId":"ID"}`: firehose.Delivered, `202 {"requestId":"ID"}`: firehose.Transient, `200 {"requestId":"other"}`: firehose.Transient,
		`200 fine`: firehose.Transient, `200 `: firehose.Transient, `413 {"requestId":"ID"}`: firehose.TooLarge, `429 {}`: firehose.Throttled, `500 {}`: firehose.Transient,
		`403 {}`: firehose.Auth, `404 {}`: firehose.Config, `405 {}`: firehose.Config, `301 {}`: firehose.Config,
		`400 {"requestId":"ID","errorMessage":"no"}`: firehose.Poison, `422 {"requestId":"ID"}`: firehose.Poison, `415 {"requestId":"ID"}`: firehose.Config,
		`400 {"requestId":"other"}`: firehose.Transient, `400 <html>plain HTTP was sent to the HTTPS port</html>`: firehose.Transient, `422 `: firehose.Transient,
	} {
		b := sinktest.Documents(encoder(t), "b", 3, 100)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var status int
			_, _ = fmt.Sscan(answer, &status)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.ReplaceAll(answer[4:], "ID", b.ID))
		}))
		if r := sink(t, httpendpoint.Config{URL: server.URL}).Deliver(t.Context(), b); r.Class != want || (r.Err == nil) != r.Done() {
			t.Errorf("%s is %s: %v", answer, r.Class, r.Err)
		}
		server.Close()
	}
}

// No receiver of Amazon's has ever seen a request without records: whatever it
// makes of one, it is there.
func TestWhoeverAnswersIsThere(t *testing.T) {
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	t.Cleanup(server.Close)
	s := sink(t, httpendpoint.Config{URL: server.URL})
	for code, want := range map[int32]firehose.Class{
		200: firehose.Delivered, 202: firehose.Delivered, 400: firehose.Delivered, 413: firehose.Delivered, 422: firehose.Delivered, 500: firehose.Delivered, 502: firehose.Delivered,
		401: firehose.Auth, 403: firehose.Auth, 404: firehose.Config, 415: firehose.Config, 302: firehose.Config, 429: firehose.Throttled, 503: firehose.Throttled,
	} {
		status.Store(code)
		if r := s.Probe(t.Context()); r.Class != want || (r.Err == nil) != r.Done() {
			t.Errorf("%d is %s: %v", code, r.Class, r.Err)
		}
	}
	server.Close()
	if r := s.Probe(t.Context()); r.Class != firehose.Transient {
		t.Errorf("nobody is %s: %v", r.Class, r.Err)
	}
}

func TestCaps(t *testing.T) {
	if c := sink(t, httpendpoint.Config{URL: "http://x"}).Caps(); c.BatchBytes != 4<<20 || c.BatchRecords != 10_000 {
		t.Errorf("%+v", c)
	}
	if c := sink(t, httpendpoint.Config{URL: "http://x", Bytes: 47 << 20, Records: 500}).Caps(); c.BatchBytes != 47<<20 || c.BatchRecords != 500 {
		t.Errorf("%+v", c)
	}
}

func TestNoSecretIsTold(t *testing.T) {
	s := sink(t, httpendpoint.Config{URL: "http://127.0.0.1:1/x?token=hunter2", AccessKey: "hunter2"})
	r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 1, 100))
	if r.Done() || strings.Contains(r.Err.Error()+s.String(), "hunter2") {
		t.Errorf("%s: %v", s, r.Err)
	}
}

func TestBadConfigurations(t *testing.T) {
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprint(i)] = "v"
	}
	for _, c := range []httpendpoint.Config{{}, {URL: "ftp://x"}, {URL: "http://u:p@x"}, {URL: "http://x", Bytes: 48 << 20}, {URL: "http://x", Records: 10_001}, {URL: "http://x", Records: -1},
		{URL: "http://x", AccessKey: strings.Repeat("k", 4097)}, {URL: "http://x", AccessKey: "two\nlines"}, {URL: "http://x", Attributes: many},
		{URL: "http://x", Attributes: map[string]string{"a": strings.Repeat("x", 1025)}}} {
		if _, err := httpendpoint.Open(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%.80v: %v", c, err)
		}
	}
}
