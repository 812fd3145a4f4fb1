package kinesisapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"headgate/shardlog/quota"
)

// The AWS SDK for JavaScript v3, as it is: it speaks HTTP/2 without TLS from
// the first byte, and signs :authority instead of host.
func TestJavaScriptSDK(t *testing.T) {
	folder := javaScript(t)
	h := open(t, quota.Limits{Off: true})
	var http2, others atomic.Int64
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			http2.Add(1)
		} else {
			others.Add(1)
		}
		h.door.ServeHTTP(w, r)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "client.js", url, keyID, secret)
	node.Dir = folder
	var complaints bytes.Buffer
	node.Stderr = &complaints
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s%s", err, out, complaints.Bytes())
	}
	var seen struct {
		Streams      []string
		ARN          string
		AgeSeconds   float64
		Failed       int
		Records      [][2]string
		Pushed       [][2]string // by SubscribeToShard
		Continuation string
		WrongSecret  string
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if http2.Load() == 0 || others.Load() != 0 {
		t.Errorf("%d requests over HTTP/2, %d over others", http2.Load(), others.Load())
	}
	if len(seen.Streams) != 1 || seen.ARN != "arn:aws:kinesis:us-west-2:000000000000:stream/from-javascript" ||
		seen.Failed != 0 || seen.WrongSecret != "InvalidSignatureException" || seen.AgeSeconds > 60 {
		t.Errorf("saw %s", out)
	}
	if len(seen.Records) != 501 {
		t.Fatalf("read %d records", len(seen.Records))
	}
	if !slices.Equal(seen.Pushed, seen.Records) || seen.Continuation == "" {
		t.Errorf("%d records were pushed, up to %q", len(seen.Pushed), seen.Continuation)
	}
	for i, r := range seen.Records[:500] {
		if r[0] != fmt.Sprintf("key-%d", i) || r[1] != hex.EncodeToString(fmt.Appendf(nil, "data-%d", i)) {
			t.Errorf("record %d is %v", i, r)
		}
	}
	if last := seen.Records[500]; last != [2]string{"ünï", "00ff"} {
		t.Errorf("last record is %v", last)
	}
}

// javaScript is a folder with the client and its modules, installed once for
// each state of the lock file, outside of the tree.
func javaScript(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed")
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	hash := sha256.New()
	files := []string{"package.json", "package-lock.json", "client.js"}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join("testdata", "js", name))
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(content)
	}
	folder := filepath.Join(cache, "headgate-test", "kinesis-js-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	for _, name := range files {
		content, _ := os.ReadFile(filepath.Join("testdata", "js", name))
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	if err := os.Rename(fresh, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // nobody else made it meanwhile
			t.Fatal(err)
		}
	}
	return folder
}

// missing skips a test for what this machine lacks; the machine that decides
// must lack nothing.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
