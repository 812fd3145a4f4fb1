package splunk_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/splunk"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

const token = "11111111-2222-3333-4444-555555555555"

// collector is an event collector as Splunk documents it. What it takes it
// shows when it acknowledges.
type collector struct {
	mu      sync.Mutex
	acks    bool                // guarded by mu: the token has acknowledgement on
	broken  bool                // guarded by mu
	busy    int                 // guarded by mu: requests to answer with code 9
	lose    bool                // guarded by mu: acknowledgements are lost
	late    int                 // guarded by mu: how often an ack is asked for until it is true
	next    uint64              // guarded by mu
	asked   map[uint64]int      // guarded by mu
	pending map[uint64][]string // guarded by mu
	found   []string            // guarded by mu
	events  []map[string]any    // guarded by mu
	raw     []string            // guarded by mu
	query   string              // guarded by mu
}

func open(acks bool) *collector {
	return &collector{acks: acks, late: 2, asked: map[uint64]int{}, pending: map[uint64][]string{}}
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func say(w http.ResponseWriter, status, code int, more string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"text":"code %d","code":%d%s}`, code, code, more)
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Splunk "+token:
		say(w, http.StatusForbidden, 4, "")
		return
	case c.broken:
		say(w, http.StatusBadRequest, 7, `,"invalid-event-number":0`)
		return
	case !guid.MatchString(r.Header.Get("X-Splunk-Request-Channel")):
		say(w, http.StatusBadRequest, 11, "")
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(body)
	switch r.URL.Path {
	case "/services/collector/ack":
		c.ack(w, text)
	case "/services/collector/event":
		c.take(w, text)
	case "/services/collector/raw":
		c.query = r.URL.RawQuery
		c.raw = append(c.raw, strings.Split(strings.TrimSpace(string(text)), "\n")...)
		c.took(w, nil)
	default:
		http.NotFound(w, r)
	}
}

func (c *collector) take(w http.ResponseWriter, text []byte) {
	if c.busy > 0 {
		c.busy--
		say(w, http.StatusServiceUnavailable, 9, "")
		return
	}
	if len(text) == 0 {
		say(w, http.StatusBadRequest, 5, "")
		return
	}
	var ids []string
	d := json.NewDecoder(strings.NewReader(string(text)))
	for n := 0; ; n++ {
		var e map[string]any
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			say(w, http.StatusBadRequest, 6, fmt.Sprintf(`,"invalid-event-number":%d`, n))
			return
		}
		if e["event"] == "" {
			say(w, http.StatusBadRequest, 13, fmt.Sprintf(`,"invalid-event-number":%d`, n))
			return
		}
		c.events = append(c.events, e)
		if doc, ok := e["event"].(map[string]any); ok {
			ids = append(ids, fmt.Sprintf("%v/%v", doc["batch"], doc["n"]))
		}
	}
	c.took(w, ids)
}

func (c *collector) took(w http.ResponseWriter, ids []string) {
	if !c.acks {
		c.found = append(c.found, ids...)
		say(w, http.StatusOK, 0, "")
		return
	}
	c.pending[c.next] = ids
	say(w, http.StatusOK, 0, fmt.Sprintf(`,"ackId":%d`, c.next))
	c.next++
}

// ack answers true once, after it was asked for some times.
func (c *collector) ack(w http.ResponseWriter, text []byte) {
	var q struct{ Acks []uint64 }
	_ = json.Unmarshal(text, &q)
	answer := map[string]bool{}
	for _, id := range q.Acks {
		ids, waits := c.pending[id]
		c.asked[id]++
		if waits && c.asked[id] >= c.late && !c.lose {
			c.found = append(c.found, ids...)
			delete(c.pending, id)
			answer[fmt.Sprint(id)] = true
			continue
		}
		answer[fmt.Sprint(id)] = false
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"acks": answer})
}

func (c *collector) config(url string) splunk.Config { return splunk.Config{URL: url, Token: token} }

type desk struct {
	*collector
	url string
}

func serve(t *testing.T, c *collector) desk {
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return desk{c, server.URL}
}

func sink(t *testing.T, c splunk.Config) firehose.Sink {
	t.Helper()
	s, err := splunk.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d desk) Sink(t *testing.T) firehose.Sink { return sink(t, d.config(d.url)) }

func (d desk) Documents(*testing.T) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.found...)
}

func (d desk) Break(*testing.T) (mend func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.broken = false
	}
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Delimiter: "newline"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	for _, acks := range []bool{false, true} {
		t.Run(fmt.Sprint("acknowledgement ", acks), func(t *testing.T) {
			sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Poison: `""`}, func(t *testing.T) sinktest.Desk { return serve(t, open(acks)) })
		})
	}
}

func TestAnEventTellsWhatItIs(t *testing.T) {
	d := serve(t, open(false))
	c := d.config(d.url)
	c.Host, c.Source, c.SourceType, c.Index = "gate", "line 3", "press", "plant"
	b := sinktest.Documents(encoder(t), "b", 2, 100)
	b = sinktest.Replaced(b, 2, "no \xff JSON")
	if r := sink(t, c).Deliver(t.Context(), b); !r.Done() {
		t.Fatal(r.Err)
	}
	e := d.events[1]
	fields := e["fields"].(map[string]any)
	if e["host"] != "gate" || e["source"] != "line 3" || e["sourcetype"] != "press" || e["index"] != "plant" || e["event"] != "no � JSON" {
		t.Errorf("%v", e)
	}
	if want := float64(b.Arrived.UnixMilli()) / 1000; e["time"] != want || fields["gw_batch"] != b.ID || fields["gw_stream"] != "s" || fields["gw_seq"] != b.Source+"-2" {
		t.Errorf("%v, want time %v", e, want)
	}
}

// What is searched for later must be what was put: Splunk keeps an event's JSON
// as it was sent, and refuses what is no UTF-8.
func TestAnEventIsSentAsItWasPut(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":"<b> & \u003c"}`: `"event":{"a":"<b> & \u003c"}`, "<b> & \"c\"": `"event":"<b> & \"c\""`, `7`: `"event":7`, "{\"a\":\"\xff\"}": `"event":{"a":"�"}`, "": `"event":""`,
	} {
		var body []byte
		s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			z, _ := gzip.NewReader(r.Body)
			body, _ = io.ReadAll(z)
			say(w, http.StatusOK, 0, "")
		})}})
		if r := s.Deliver(t.Context(), sinktest.Replaced(sinktest.Documents(encoder(t), "b", 1, 100), 1, data)); !r.Done() || !strings.Contains(string(body), want+`,"fields"`) {
			t.Errorf("%q is sent as %s: %v", data, body, r.Err)
		}
	}
}

// A record of several lines is several events to the raw endpoint, whose
// numbers say nothing of records then.
func TestRawEventsNameNoRecord(t *testing.T) {
	s := sink(t, splunk.Config{URL: "http://hec", Token: token, Raw: true, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusBadRequest, 6, `,"invalid-event-number":1`)
	})}})
	if r := s.Deliver(t.Context(), sinktest.Replaced(sinktest.Documents(encoder(t), "b", 3, 100), 1, "two\nlines")); r.Class != firehose.Poison || len(r.Items) != 0 {
		t.Errorf("%s %v: %v", r.Class, r.Items, r.Err)
	}
}

// A collector that no longer takes our channel is asked under another.
func TestARefusedChannelIsRenewed(t *testing.T) {
	c, refused := open(true), ""
	s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		channel := r.Header.Get("X-Splunk-Request-Channel")
		if refused == "" {
			refused = channel
		}
		if channel == refused {
			say(w, http.StatusBadRequest, 11, "")
			return
		}
		c.ServeHTTP(w, r)
	})}})
	b := sinktest.Documents(encoder(t), "b", 3, 100)
	if r := s.Deliver(t.Context(), b); r.Class != firehose.Config {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	if r := s.Probe(t.Context()); !r.Done() {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	if r := s.Deliver(t.Context(), b); !r.Done() || len(c.found) != 3 {
		t.Errorf("%s %v: %v", r.Class, r.Err, c.found)
	}
}

// Whoever is busy while it is asked for an acknowledgement is asked again: the
// events are there, and would be there twice.
func TestBusyWithAcknowledgements(t *testing.T) {
	for _, status := range []int{408, 429, 502, 503} {
		synctest.Test(t, func(t *testing.T) {
			c, busy := open(true), 3
			s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/ack") && busy > 0 {
					busy--
					w.WriteHeader(status)
					return
				}
				c.ServeHTTP(w, r)
			})}})
			if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); !r.Done() || len(c.found) != 3 {
				t.Errorf("%d: %s %v: %v", status, r.Class, r.Err, c.found)
			}
		})
	}
}

// Acknowledgements are refused for good: nothing is gained by asking on.
func TestWhoRefusesAcknowledgements(t *testing.T) {
	for code, want := range map[int]firehose.Class{4: firehose.Auth, 6: firehose.Config, 14: firehose.Config} {
		c := open(true)
		s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/ack") {
				say(w, http.StatusBadRequest, code, "")
				return
			}
			c.ServeHTTP(w, r)
		})}})
		if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); r.Class != want || len(r.Items) != 0 {
			t.Errorf("code %d: %s: %v", code, r.Class, r.Err)
		}
	}
}

// Only the indexer that took the events knows of their acknowledgement; a load
// balancer finds it by its cookie.
func TestCookiesLeadToTheSameIndexer(t *testing.T) {
	indexers, turn := [2]*collector{open(true), open(true)}, 0
	var mu sync.Mutex // of turn
	d := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if at, err := r.Cookie("indexer"); err == nil {
			turn = int(at.Value[0] - '0')
		} else {
			turn = 1 - turn
			http.SetCookie(w, &http.Cookie{Name: "indexer", Value: fmt.Sprint(turn)})
		}
		indexers[turn].ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	if r := sink(t, splunk.Config{URL: d.URL, Token: token, AckTimeout: 20 * time.Second}).Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); !r.Done() {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestRawLines(t *testing.T) {
	d := serve(t, open(true))
	c := d.config(d.url)
	c.Raw, c.SourceType = true, "press"
	if r := sink(t, c).Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); !r.Done() {
		t.Fatal(r.Err)
	}
	if len(d.raw) != 3 || !strings.HasPrefix(d.raw[2], `{"batch":"b","n":3,`) || d.query != "sourcetype=press" {
		t.Errorf("%q %s", d.raw, d.query)
	}
}

// through answers requests without a network, for tests in a bubble of time.
type through struct{ h http.Handler }

func (t through) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestALostAcknowledgementIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(true)
		c.lose = true
		s := sink(t, splunk.Config{URL: "http://hec", Token: token, AckTimeout: time.Minute, Transport: through{c}})
		b := sinktest.Documents(encoder(t), "b", 3, 100)
		begin := time.Now()
		if r := s.Deliver(t.Context(), b); r.Class != firehose.Transient || time.Since(begin) != time.Minute {
			t.Errorf("%s after %s: %v", r.Class, time.Since(begin), r.Err)
		}
		if asked := c.asked[0]; asked < 5 || asked > 20 {
			t.Errorf("asked %d times in a minute", asked)
		}
		c.lose = false
		if r := s.Deliver(t.Context(), b); !r.Done() || len(c.found) != 3 {
			t.Errorf("%s %v: %v", r.Class, r.Err, c.found)
		}
	})
}

func TestWhatCodesMean(t *testing.T) {
	for code, want := range map[int]firehose.Class{
		1: firehose.Auth, 2: firehose.Auth, 3: firehose.Auth, 4: firehose.Auth, 5: firehose.Poison, 6: firehose.Poison, 7: firehose.Config, 8: firehose.Transient,
		9: firehose.Throttled, 10: firehose.Config, 11: firehose.Config, 12: firehose.Poison, 13: firehose.Poison, 14: firehose.Config, 15: firehose.Poison, 16: firehose.Config, 23: firehose.Throttled,
		26: firehose.Throttled, 27: firehose.Throttled, 99: firehose.Config,
	} {
		status := map[int]int{1: 403, 2: 401, 3: 401, 4: 403, 8: 500, 9: 503, 23: 503, 26: 429, 27: 429}[code]
		if status == 0 {
			status = 400
		}
		s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			say(w, status, code, `,"invalid-event-number":1`)
		})}})
		r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100))
		if r.Class != want || r.Err == nil {
			t.Errorf("code %d is %s: %v", code, r.Class, r.Err)
		}
		if want == firehose.Poison && (len(r.Items) != 1 || r.Items[0].Seq != 2) {
			t.Errorf("code %d names %v", code, r.Items)
		}
		if strings.Contains(r.Err.Error(), token) {
			t.Errorf("code %d tells the token", code)
		}
	}
}

func TestWhatIsNoCollectorIsSaidToBe(t *testing.T) {
	for status, want := range map[int]firehose.Class{200: firehose.Config, 302: firehose.Config, 400: firehose.Config, 404: firehose.Config, 415: firehose.Config, 413: firehose.TooLarge, 429: firehose.Throttled, 502: firehose.Transient} {
		s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>welcome</html>")
		})}})
		if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); r.Class != want || r.Err == nil {
			t.Errorf("%d is %s: %v", status, r.Class, r.Err)
		}
	}
}

// A collector that warns of filling queues (codes 24 and 25, with 200) has
// taken the events all the same.
func TestAWarningIsNoRefusal(t *testing.T) {
	s := sink(t, splunk.Config{URL: "http://hec", Token: token, Transport: through{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, 24, "") })}})
	if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 3, 100)); !r.Done() {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestABusyCollectorIsThrottled(t *testing.T) {
	d := serve(t, open(true))
	d.busy = 1
	s, b := d.Sink(t), sinktest.Documents(encoder(t), "b", 3, 100)
	if r := s.Deliver(t.Context(), b); r.Class != firehose.Throttled {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	if r := s.Deliver(t.Context(), b); !r.Done() {
		t.Error(r.Err)
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []splunk.Config{{URL: "http://x"}, {Token: token}, {URL: "http://x", Token: token, Bytes: 6 << 20}, {URL: "http://x", Token: token, AckTimeout: -1}} {
		if _, err := splunk.Open(c); shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(err.Error(), token) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
