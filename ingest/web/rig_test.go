package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/ingest"
	"headgate/ingest/web"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

const (
	shopKey = "shop-key-0123456789"
	pumpKey = "pump-key-0123456789"
	shop    = "https://shop.example"
)

// rig is a door over a log in memory, at a loopback port.
type rig struct {
	*web.Server
	log  *shardlogtest.Memory
	out  output
	base string
}

// output collects log lines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// sites are a shop with pages, and a pump without.
func sites() []web.Site {
	return []web.Site{
		{Name: "shop", Key: shopKey, Origins: []string{shop, "https://*.shop.example"}, Streams: []shardlog.StreamName{"clicks", "extra"}},
		{Name: "pump", Key: pumpKey, Streams: []shardlog.StreamName{"telemetry", "alarms"}, Topics: []string{"pump/#", "odd//+"}},
	}
}

// start serves a door; change may alter its configuration first.
func start(t testing.TB, change func(*rig, *web.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory()}
	routes, err := ingest.NewRoutes([]ingest.Route{
		{Filter: "pump/+/alarm", Stream: "alarms", Key: "{topic.2}"}, {Filter: "pump/lost/#", Stream: "elsewhere"}, {Filter: "pump/secret", Refuse: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := web.Config{
		Writer: r.log, Control: r.log, Routes: routes, Sites: sites(),
		Log: slog.New(slog.NewTextHandler(&r.out, nil)),
	}
	if change != nil {
		change(r, &c)
	}
	r.Server, err = web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.base = server.URL
	return r
}

// answer is what the door said.
type answer struct {
	status int
	header http.Header
	text   string

	Error, Message, TraceID string
	RetryAfterMS            int64
	Failed                  int
	Records                 []struct {
		ShardID, SequenceNumber, Error, Message string
		Retry                                   bool
	}
}

// post sends a body; headers come in pairs.
func (r *rig) post(t testing.TB, path, body string, headers ...string) answer {
	t.Helper()
	return r.do(t, http.MethodPost, path, strings.NewReader(body), headers...)
}

func (r *rig) do(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Add(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: got.StatusCode, header: got.Header, text: string(text)}
	if got.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(text, &a); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return a
}

// wants checks status and code; an empty code wants none.
func (a answer) wants(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.Error != code {
		t.Errorf("got %d %s, want %d %q", a.status, a.text, status, code)
	}
	if a.status >= 400 && a.Message == "" {
		t.Errorf("%d without a word: %s", a.status, a.text)
	}
}

// texts is the data of a stream's records.
func (r *rig) texts(name shardlog.StreamName) []string {
	var all []string
	for _, one := range r.log.Records(name) {
		all = append(all, string(one.Data))
	}
	return all
}

// same compares texts.
func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// meta is the only record's.
func (r *rig) meta(t testing.TB, name shardlog.StreamName) web.Meta {
	t.Helper()
	all := r.log.Records(name)
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	m, err := web.DecodeMeta(all[0].Meta)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// packed is text in gzip.
func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// until waits until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// clock is a Now that stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}
