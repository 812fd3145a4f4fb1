package gateway_test

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway"
)

// vendors answers as the servers of HTTP's sinks do, and keeps what it is sent.
type vendors struct {
	mu   sync.Mutex
	got  map[string]string // guarded by mu: bodies by path
	keys map[string]string // guarded by mu: credentials by path
}

func (v *vendors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(body)
	v.mu.Lock()
	v.got[r.URL.Path] += string(text)
	for _, name := range []string{"Authorization", "X-Amz-Firehose-Access-Key", "Dd-Api-Key", "Api-Key", "X-Tenant"} {
		if key := r.Header.Get(name); key != "" {
			v.keys[r.URL.Path] = key
		}
	}
	v.mu.Unlock()
	switch r.URL.Path {
	case "/http":
		var request struct{ RequestID string }
		_ = json.Unmarshal(text, &request)
		_ = json.NewEncoder(w).Encode(map[string]any{"requestId": request.RequestID})
	case "/services/collector/event":
		fmt.Fprint(w, `{"text":"Success","code":0}`)
	case "/_bulk":
		items := strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, strings.Count(string(text), `{"create"`)), ",")
		fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, items)
	case "/api/v2/logs", "/log/v1":
		w.WriteHeader(http.StatusAccepted)
	case "/v1/logs":
		fmt.Fprint(w, "{}")
	}
}

// Each sink is reached from a delivery's document, with its credential, and
// what is put arrives in its words.
func TestEachSinkOfHTTPFromItsDocument(t *testing.T) {
	t.Parallel()
	v := &vendors{got: map[string]string{}, keys: map[string]string{}}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) { c.Open = true })
	c, ctx := gateway.Dial(data), context.Background()
	for name, block := range map[string]string{
		"http":       `{url: URL/http, access_key: KEY, encoding: gzip, attributes: {site: north}}`,
		"splunk":     `{url: URL, token: KEY, index: plant}`,
		"opensearch": `{url: URL, index: telemetry, rotation: month, username: gate, password: KEY}`,
		"datadog":    `{key: KEY, url: URL, tags: ["env:plant"]}`,
		"newrelic":   `{key: KEY, url: URL}`,
		"otlp":       `{url: URL, headers: {X-Tenant: KEY}, resource: {site: north}}`,
	} {
		document := "name: to-" + name + "\nstream: telemetry\ninterval: 1s\npriority: alarm\n" + name + ": " + block + "\n"
		document = strings.NewReplacer("URL", server.URL, "KEY", fmt.Sprintf("{file: %q}", secret)).Replace(document)
		if _, err := c.CreateDelivery(ctx, document); err != nil {
			t.Fatal(name, err)
		}
	}
	putSome(t, g, "telemetry", 1)
	if _, err := c.Put(ctx, "telemetry", []gateway.PutRecord{{Key: "k", Data: []byte(`{"t":7}`)}}); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"http": "/http", "splunk": "/services/collector/event", "datadog": "/api/v2/logs", "newrelic": "/log/v1", "otlp": "/v1/logs"} {
		if d := arrived(t, c, "to-"+name, 2); d.Sent == 0 || d.LastError != "" {
			t.Errorf("%s: %+v", name, d)
		}
		if key := v.keys[path]; !strings.HasSuffix(key, "sesame") {
			t.Errorf("%s: key %q", name, key)
		}
	}
	// What is no document is refused by the index, and is in the stream beside it.
	until(t, 20*time.Second, "the record that is no document is refused", func() (string, bool) {
		d, err := c.Delivery(ctx, "to-opensearch")
		return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), d.Refused == 1
	})
	if d := arrived(t, c, "to-opensearch", 1); !regexp.MustCompile(`"_index":"telemetry-\d{4}-\d\d"`).MatchString(v.got["/_bulk"]) {
		t.Errorf("%+v\n%s", d, v.got["/_bulk"])
	}
	s, err := c.Status(ctx)
	if err != nil || len(s.Uplink.Lanes) != 6 || s.Uplink.Down {
		t.Errorf("%+v %v", s.Uplink, err)
	}
}

// A delivery goes through the proxy that it names.
func TestADeliveryGoesThroughItsProxy(t *testing.T) {
	t.Parallel()
	v := &vendors{got: map[string]string{}, keys: map[string]string{}}
	seen := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.URL.Host + " " + r.Header.Get("Proxy-Authorization")
		v.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) { c.Open = true })
	c := gateway.Dial(data)
	_, err := c.CreateDelivery(context.Background(), fmt.Sprintf("name: p\nstream: telemetry\ninterval: 1s\nhttp:\n  url: http://nowhere.invalid/http\n  proxy: {url: %q, username: gate, password: {file: %q}}\n", proxy.URL, secret))
	if err != nil {
		t.Fatal(err)
	}
	putSome(t, g, "telemetry", 3)
	arrived(t, c, "p", 3)
	if got := <-seen; got != "nowhere.invalid Basic Z2F0ZTpzZXNhbWU=" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"proxy: {url: ftp://x}":                "http.proxy.url: write http://",
		"proxy: {url: http://u:p@x}":           "http.proxy.url: it must hold no password",
		"tls: {certificate: c}":                "certificate and key go together",
		"tls: {ca: /nonexistent}":              "tls.ca",
		"proxi: {}":                            `did you mean "proxy"?`,
		"proxy: {url: http://x, password: {}}": "say where it lies",
	} {
		_, err := c.CreateDelivery(context.Background(), "name: q\nstream: telemetry\nhttp:\n  url: http://x\n  "+text+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A budget that is used up holds deliveries, says so, and loses nothing.
func TestABudgetHoldsADelivery(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &vendors{got: map[string]string{}, keys: map[string]string{}}
	server := httptest.NewUnstartedServer(v)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Uplink.Day = 1 << 20
		c.Streams = append(c.Streams, gateway.StreamConfig{Name: "alarms", Shards: 1})
	})
	c, ctx := gateway.Dial(data), context.Background()
	if _, err := c.CreateDelivery(ctx, fmt.Sprintf("name: bulky\nstream: telemetry\ninterval: 1s\nhttp: {url: %q}\n", server.URL+"/http")); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if _, err := c.Put(ctx, "telemetry", []gateway.PutRecord{{Key: "k", Data: []byte(strings.Repeat("x", 250_000))}}); err != nil {
			t.Fatal(err)
		}
		putSome(t, g, "telemetry", 1)
	}
	until(t, 20*time.Second, "the delivery waits for its budget", func() (string, bool) {
		d, err := c.Delivery(ctx, "bulky")
		return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), err == nil && strings.Contains(d.Waits, "budget") && strings.Contains(d.Advice, "budget")
	})
	s, err := c.Status(ctx)
	if err != nil || s.Uplink.DayUsed > s.Uplink.Day || s.Uplink.DayUsed < s.Uplink.Day*8/10 {
		t.Errorf("%+v %v", s.Uplink, err)
	}
	if _, err := c.CreateDelivery(ctx, fmt.Sprintf("name: urgent\nstream: alarms\ninterval: 1s\npriority: alarm\nhttp: {url: %q}\n", server.URL+"/http")); err != nil {
		t.Fatal(err)
	}
	putSome(t, g, "alarms", 3)
	arrived(t, c, "urgent", 3)
}

// While a backlog drains the link is in use: what arrives in between the first
// and the last byte is close to what the uplink may carry, and no more.
func TestTheLinkIsUsedWhileDraining(t *testing.T) {
	t.Parallel()
	const rate, size = 2_000_000, 12_000_000
	var mu sync.Mutex
	var first, last time.Time
	total := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var whole []byte
		part := make([]byte, 16<<10)
		for {
			n, err := r.Body.Read(part)
			whole = append(whole, part[:n]...)
			mu.Lock()
			if first.IsZero() {
				first = time.Now()
			}
			last, total = time.Now(), total+n
			mu.Unlock()
			if err != nil {
				break
			}
		}
		var request struct{ RequestID string }
		_ = json.Unmarshal(whole, &request)
		_ = json.NewEncoder(w).Encode(map[string]any{"requestId": request.RequestID})
	}))
	t.Cleanup(server.Close)
	data := t.TempDir()
	start(t, data, func(c *gateway.Config) {
		c.Open, c.Limits = true, 0
		c.Uplink.Rate = rate
	})
	c, ctx := gateway.Dial(data), context.Background()
	for n := 0; n < size; n += 250_000 {
		noise := make([]byte, 250_000)
		_, _ = rand.Read(noise)
		if _, err := c.Put(ctx, "telemetry", []gateway.PutRecord{{Key: fmt.Sprint(n), Data: noise}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateDelivery(ctx, fmt.Sprintf("name: drain\nstream: telemetry\ninterval: 1s\nsize: 1MiB\nhttp: {url: %q}\n", server.URL)); err != nil {
		t.Fatal(err)
	}
	arrived(t, c, "drain", size/250_000)
	used := float64(total) / last.Sub(first).Seconds() / rate
	t.Logf("%d bytes in %s: %.0f %% of what the link may carry", total, last.Sub(first).Round(time.Millisecond), 100*used)
	if used > 1.5 || used < 0.3 { // nine tenths and more on a quiet machine; a busy one stalls here and there
		t.Errorf("%.2f of the rate was used", used)
	}
}
