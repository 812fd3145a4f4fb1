package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/ingest/web"
	"headgate/shardlog"
)

// run runs a program that others wrote and gives what it printed.
func run(t *testing.T, dir, program string, args ...string) (out string, err error) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	b, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %s", program, complaints.Bytes())
	}
	return string(b), err
}

func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("deploy/test installs it: %v", err)
	}
	t.Skipf("deploy/test installs it: %v", err)
}

// peers is a folder of what deploy/test installs for tests.
func peers(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("HEADGATE_PEERS")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(cache, "headgate", "peers")
	}
	folder = filepath.Join(folder, name)
	if _, err := os.Stat(folder); err != nil {
		missing(t, err)
	}
	return folder
}

func TestCurl(t *testing.T) {
	r := start(t, nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events"), []byte("{\"n\":1}\n{\"n\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "events.gz"), []byte(packed(t, "{\"n\":3}\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	url := r.base + "/streams/clicks/records?key=x&k=" + shopKey
	for _, c := range []struct {
		status string
		args   []string
	}{
		{"200", []string{"-d", "temp=21", url}}, // as curl does it: a form
		{"200", []string{"--json", `{"n":0}`, url}},
		{"200", []string{"-H", "Content-Type: application/x-ndjson", "--data-binary", "@events", url}},
		{"200", []string{"-H", "Content-Encoding: gzip", "--data-binary", "@events.gz", url + "&format=ndjson"}},
		{"200", []string{"-H", "Content-Encoding: gzip", "-H", "Transfer-Encoding: chunked", "-T", "events.gz", "-X", "POST", url + "&format=ndjson"}},
		{"204", []string{"-d", "quiet", url + "&quiet"}},
		{"415", []string{"-F", "file=@events", url}},
		{"405", []string{"-T", "events", url}},
		{"403", []string{"-d", "x", r.base + "/streams/clicks/records"}},
		{"200", []string{"-H", "X-Site-Key: " + pumpKey, "-d", "on", r.base + "/topics/pump/7/alarm?qos=1"}},
	} {
		out, err := run(t, dir, "curl", append([]string{"-sS", "-w", "%{http_code}", "-o", "answer"}, c.args...)...)
		if err != nil || out != c.status {
			text, _ := os.ReadFile(filepath.Join(dir, "answer"))
			t.Errorf("curl %v: %v, %s, want %s: %s", c.args, err, out, c.status, text)
		}
	}
	same(t, r.texts("clicks"), "temp=21", `{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":3}`, "quiet")
	same(t, r.texts("alarms"), "on")
}

// TestCurlComesAgain: curl waits as long as Retry-After says and loses nothing.
func TestCurlComesAgain(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) { c.Sites[0].AddressRate.Records = 1 })
	url := r.base + "/streams/clicks/records?key=x&k=" + shopKey
	for _, body := range []string{"1", "2"} {
		out, err := run(t, "", "curl", "-sSf", "--retry", "5", "-d", body, url)
		if err != nil || !strings.Contains(out, "sequenceNumber") {
			t.Errorf("%s, %v", out, err)
		}
	}
	same(t, r.texts("clicks"), "1", "2")
	if r.Stats().Refused["throttled"] == 0 {
		t.Error("nothing was throttled")
	}
}

// TestBoto3 publishes as AWS's client for the IoT data plane does. Its
// signature is not looked at: the site's key is what counts.
func TestBoto3(t *testing.T) {
	python := filepath.Join(peers(t, "boto3"), "bin", "python3")
	r := start(t, nil)
	out, err := run(t, "", python, filepath.Join("testdata", "publish.py"), r.base, pumpKey)
	if err != nil {
		t.Fatalf("%s %v", out, err)
	}
	same(t, r.texts("alarms"), "on")
	if got := r.texts("telemetry"); len(got) != 2 || !slices.Contains(got, "\x00\x01\xff") || !slices.Contains(got, "deep") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(out, "403") {
		t.Errorf("a foreign topic: %s", out)
	}
}

// TestChromium is pages of two origins in a real browser: beacons, fetches,
// the script, and what a page of nobody's may not do.
func TestChromium(t *testing.T) {
	modules := filepath.Join(peers(t, "browser"), "node_modules")
	for _, program := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, err)
		}
	}
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>page</title>"))
	}
	good, evil := httptest.NewServer(http.HandlerFunc(page)), httptest.NewServer(http.HandlerFunc(page))
	defer good.Close()
	defer evil.Close()
	failing := make(chan struct{}, 1)
	failing <- struct{}{} // the first Put of the script fails
	r := start(t, func(r *rig, c *web.Config) {
		c.Sites[0].Origins = []string{good.URL}
		c.Sites[0].Streams = append(c.Sites[0].Streams, "scripted")
		c.Writer = writer{r.log, func(name shardlog.StreamName) error {
			if name != "scripted" {
				return nil
			}
			select {
			case <-failing:
				return &shardlog.Error{Kind: shardlog.Unavailable, Op: "put"}
			default:
				return nil
			}
		}}
	})
	text, err := os.ReadFile(filepath.Join("testdata", "page.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // modules are looked for beside the script
	if err := errors.Join(os.Symlink(modules, filepath.Join(dir, "node_modules")), os.WriteFile(filepath.Join(dir, "page.mjs"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, dir, "node", "page.mjs", r.base, good.URL, evil.URL, shopKey)
	if err != nil {
		t.Fatalf("%s %v", out, err)
	}
	t.Logf("%s", strings.TrimSpace(out))
	var told struct {
		Beacons         []bool
		Fetched, Header int
		Unknown         struct {
			Status int
			Error  string
		}
		Evil, EvilHeader string
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(told.Beacons, false) || told.Fetched != 200 || told.Header != 200 || told.Unknown.Status != 403 || told.Unknown.Error != "denied" {
		t.Errorf("%+v", told)
	}
	if told.Evil != "TypeError" || told.EvilHeader != "TypeError" {
		t.Errorf("a foreign page reads answers: %+v", told)
	}
	until(t, "beacons arrive", func() bool { return len(r.texts("clicks")) >= 6 })
	got := r.texts("clicks")
	slices.Sort(got)
	same(t, got, "beacon text", "fetch keepalive", "line 1", "line 2", "with header", `{"json":true}`)
	for _, one := range r.log.Records("clicks") {
		if m, err := web.DecodeMeta(one.Meta); err != nil || m.Origin != good.URL || !strings.Contains(m.Agent, "Chrome") {
			t.Errorf("%s: %+v, %v", one.Data, m, err)
		}
	}
	scripted(t, r)
}

// scripted checks what the script of /beacon.js sent: all events, in order,
// by fetch and again by fetch, and by beacon when the page went.
func scripted(t *testing.T, r *rig) {
	t.Helper()
	until(t, "the script's events arrive", func() bool { return len(r.texts("scripted")) >= 302 })
	var all []int
	seen := map[string]bool{}
	for _, text := range r.texts("scripted") {
		var e struct {
			N    int
			T    int64
			P, E string
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.T == 0 || e.P == "" {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, e.N)
		seen[e.E] = true
	}
	if len(all) != 302 || !slices.IsSorted(all) || all[0] != 0 || all[301] != 301 || !seen["first"] || !seen["leaving"] || !seen["many"] {
		t.Errorf("%v %v", all, seen)
	}
}

// writer is a Writer that may refuse.
type writer struct {
	shardlog.Writer
	refuse func(shardlog.StreamName) error
}

func (w writer) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	if err := w.refuse(name); err != nil {
		return nil, err
	}
	return w.Writer.Put(ctx, name, entries, with...)
}
