package opensearch_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/opensearch"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// cluster keeps documents as a bulk request's create has it: an id that is
// there is a conflict, and n must be a number.
type cluster struct {
	mu       sync.Mutex
	indexes  map[string]map[string]json.RawMessage // guarded by mu
	closed   bool                                  // guarded by mu: there is no such index
	busy     int                                   // guarded by mu: documents to answer with 429
	requests int                                   // guarded by mu
	fresh    int                                   // guarded by mu: ids that were made
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "gate" || password != "secret" {
		http.Error(w, `{"error":{"type":"security_exception"},"status":401}`, http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		fmt.Fprint(w, `{"version":{"distribution":"opensearch"}}`)
		return
	}
	if r.URL.Path != "/_bulk" {
		http.NotFound(w, r)
		return
	}
	c.requests++
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 16<<20)
	items := []any{}
	for lines.Scan() {
		var a struct {
			Create struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil || !lines.Scan() {
			http.Error(w, `{"error":{"type":"illegal_argument_exception"},"status":400}`, http.StatusBadRequest)
			return
		}
		items = append(items, map[string]any{"create": c.create(a.Create.Index, a.Create.ID, slices.Clone(lines.Bytes()))})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"took": 1, "errors": true, "items": items})
}

func failed(status int, kind string) map[string]any {
	return map[string]any{"status": status, "error": map[string]any{"type": kind, "reason": "it is so"}}
}

func (c *cluster) create(index, id string, document []byte) map[string]any {
	var fields struct{ N *int }
	switch {
	case c.closed:
		return failed(http.StatusNotFound, "index_not_found_exception")
	case c.busy > 0:
		c.busy--
		return failed(http.StatusTooManyRequests, "es_rejected_execution_exception")
	case json.Unmarshal(document, &fields) != nil:
		return failed(http.StatusBadRequest, "mapper_parsing_exception")
	}
	if id == "" {
		c.fresh++
		id = fmt.Sprint("made-", c.fresh)
	}
	if c.indexes[index] == nil {
		c.indexes[index] = map[string]json.RawMessage{}
	}
	if _, there := c.indexes[index][id]; there {
		return failed(http.StatusConflict, "version_conflict_engine_exception")
	}
	c.indexes[index][id] = document
	return map[string]any{"status": http.StatusCreated}
}

type desk struct {
	*cluster
	url, ids string
}

func open(t *testing.T, ids string) desk {
	c := &cluster{indexes: map[string]map[string]json.RawMessage{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return desk{c, server.URL, ids}
}

func (d desk) config() opensearch.Config {
	return opensearch.Config{URL: d.url, Index: "telemetry", Rotation: "day", IDs: d.ids, Username: "gate", Password: "secret"}
}

func sink(t *testing.T, c opensearch.Config) firehose.Sink {
	t.Helper()
	s, err := opensearch.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d desk) Sink(t *testing.T) firehose.Sink { return sink(t, d.config()) }

func (d desk) Documents(*testing.T) (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, index := range d.indexes {
		for _, text := range index {
			var doc struct {
				Batch string
				N     int
			}
			_ = json.Unmarshal(text, &doc)
			all = append(all, fmt.Sprintf("%s/%d", doc.Batch, doc.N))
		}
	}
	return all
}

func (d desk) Break(*testing.T) (mend func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.closed = false
	}
}

func encoder(t testing.TB) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Delimiter: "newline"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	for _, ids := range []string{opensearch.OwnIDs, opensearch.NoIDs} {
		for what, poison := range map[string]string{"no document": "no document", "no mapping": `{"n":"four"}`} {
			t.Run("ids "+ids+", "+what, func(t *testing.T) {
				sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{Exact: ids == opensearch.OwnIDs, Poison: poison}, func(t *testing.T) sinktest.Desk { return open(t, ids) })
			})
		}
	}
}

// What the server has no room for is sent again, and nothing else.
func TestOnlyWhatWasNotTakenIsSentAgain(t *testing.T) {
	d := open(t, opensearch.NoIDs)
	d.busy = 13
	if r := d.Sink(t).Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 10, 200)); !r.Done() {
		t.Fatal(r.Err)
	}
	if got := len(d.Documents(t)); got != 10 || d.requests != 3 {
		t.Errorf("%d documents after %d requests", got, d.requests)
	}
}

func TestABatchThatIsThereIsAlready(t *testing.T) {
	d := open(t, opensearch.OwnIDs)
	b := sinktest.Documents(encoder(t), "b", 10, 200)
	for i, want := range []bool{false, true} {
		if r := d.Sink(t).Deliver(t.Context(), b); !r.Done() || r.Already != want || (r.Bytes > 0) == want {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

func TestTheRefusedAreNamed(t *testing.T) {
	d := open(t, opensearch.OwnIDs)
	b := sinktest.Replaced(sinktest.Replaced(sinktest.Documents(encoder(t), "b", 10, 200), 3, `{"n":"x"}`), 7, `{"n":[]}`)
	r := d.Sink(t).Deliver(t.Context(), b)
	if r.Class != firehose.Poison || len(r.Items) != 2 || r.Items[0].Seq != 3 || r.Items[1].Seq != 7 || r.Items[0].Code != "OpenSearch.mapper_parsing_exception" {
		t.Errorf("%+v", r)
	}
}

func TestRotationGoesByArrival(t *testing.T) {
	for _, c := range []struct{ rotation, arrived, want string }{
		{"none", "2026-11-27T05:00:00Z", "i"}, {"hour", "2026-11-27T23:30:00-02:00", "i-2026-11-28-01"}, {"day", "2026-11-27T05:00:00Z", "i-2026-11-27"}, {"month", "2026-11-27T05:00:00Z", "i-2026-11"},
		{"week", "2026-01-01T00:00:00Z", "i-2026-w01"}, {"week", "2026-01-03T23:59:59Z", "i-2026-w01"}, {"week", "2026-01-04T00:00:00Z", "i-2026-w02"},
		{"week", "2025-12-28T00:00:00Z", "i-2026-w01"}, {"week", "2025-12-27T00:00:00Z", "i-2025-w52"}, {"week", "2026-11-27T00:00:00Z", "i-2026-w48"},
	} {
		d := open(t, opensearch.OwnIDs)
		config := d.config()
		config.Index, config.Rotation = "i", c.rotation
		arrived, err := time.Parse(time.RFC3339, c.arrived)
		if err != nil {
			t.Fatal(err)
		}
		b := sinktest.Documents(encoder(t), "b", 1, 100)
		whole := b.Records
		b.Records = sinktest.Arrived(whole, arrived)
		if r := sink(t, config).Deliver(t.Context(), b); !r.Done() {
			t.Fatal(r.Err)
		}
		if d.indexes[c.want] == nil {
			t.Errorf("%s %s: %v, want %s", c.rotation, c.arrived, d.indexes, c.want)
		}
	}
}

func TestWhatAnswersMean(t *testing.T) {
	const taken = `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`
	item := func(status int, kind string) string {
		return fmt.Sprintf(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":%d,"error":{"type":%q,"reason":"r"}}}]}`, status, kind)
	}
	for _, c := range []struct {
		status int
		body   string
		want   firehose.Class
	}{
		{200, taken, firehose.Delivered}, {200, `{}`, firehose.Transient}, {200, `{"errors":false,"items":[]}`, firehose.Transient}, {200, `<html>`, firehose.Transient},
		{200, item(403, "security_exception"), firehose.Auth}, {200, item(404, "index_not_found_exception"), firehose.Config}, {200, item(400, "index_closed_exception"), firehose.Config},
		{200, item(400, "strict_dynamic_mapping_exception"), firehose.Poison}, {401, ``, firehose.Auth}, {413, ``, firehose.TooLarge}, {429, ``, firehose.Throttled}, {502, ``, firehose.Transient},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		r := sink(t, opensearch.Config{URL: server.URL, Index: "i"}).Deliver(t.Context(), sinktest.Documents(encoder(t), "b", 2, 100))
		if r.Class != c.want || (r.Err == nil) != r.Done() {
			t.Errorf("%d %s is %s: %v", c.status, c.body, r.Class, r.Err)
		}
		server.Close()
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []opensearch.Config{{}, {URL: "http://x"}, {URL: "ftp://x", Index: "i"}, {URL: "http://x", Index: "Big"}, {URL: "http://x", Index: "_own"}, {URL: "http://x", Index: "a b"},
		{URL: "http://x", Index: "i", Rotation: "year"}, {URL: "http://x", Index: "i", IDs: "mine"}, {URL: "http://x", Index: "i", Bytes: 65 << 20}, {URL: "http://x", Index: "i", Records: -1}, {URL: "http://x", Index: "i", Password: "p"}} {
		if _, err := opensearch.Open(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"t","reason":"r"}}}]}`)
	f.Add(`{"errors":false,"items":[null,{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		s, err := opensearch.Open(opensearch.Config{URL: "http://x", Index: "i", Transport: answering(body)})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, "429") || strings.Contains(body, "5") {
			return // what is sent again takes its time
		}
		b := sinktest.Documents(encoder(t), "b", 2, 100)
		if r := s.Deliver(t.Context(), b); r.Done() && strings.Count(body, "{") < 4 {
			t.Errorf("%s counts as delivered", body)
		}
	})
}

type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteString(string(a))
	return w.Result(), nil
}
