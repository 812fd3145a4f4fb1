package firehoseapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The AWS SDK for JavaScript v3, as it is: it speaks HTTP/2 without TLS from
// the first byte.
func TestJavaScriptSDK(t *testing.T) {
	folder := javaScript(t)
	h := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "client.js", h.url, keyID, secret)
	node.Dir = folder
	var complaints bytes.Buffer
	node.Stderr = &complaints
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s%s", err, out, complaints.Bytes())
	}
	var seen struct {
		ARN, Status, Version, Refused string
		Names                         []string
		Failed, IDs                   int
		Tags                          []struct{ Key, Value string }
		AgeSeconds                    float64
		Destination                   []any
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if seen.ARN != "arn:aws:firehose:us-west-2:000000000000:deliverystream/from-javascript" || seen.Status != "ACTIVE" || seen.Version != "2" ||
		fmt.Sprint(seen.Names) != "[from-javascript]" || seen.Failed != 0 || seen.IDs != 500 || seen.Refused != "InvalidArgumentException" ||
		fmt.Sprint(seen.Tags) != "[{ключ ü}]" || seen.AgeSeconds > 60 || fmt.Sprint(seen.Destination) != "[arn:aws:s3:::lake GZIP x/ 7]" {
		t.Errorf("saw %s", out)
	}
	if s := h.api.Stats(); s.Records != 501 {
		t.Errorf("stats %+v", s)
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
	folder := filepath.Join(cache, "headgate-test", "firehose-js-"+hex.EncodeToString(hash.Sum(nil)[:8]))
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
