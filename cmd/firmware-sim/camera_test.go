package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestCamerasHaveTheirOwnURLs runs two cameras against a server that takes none.
func TestCamerasHaveTheirOwnURLs(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		http.Error(w, "no more cameras", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ledger := filepath.Join(t.TempDir(), "{n}")
	out, exit := execute("", "camera", "--whip", server.URL+"/whip/cam{n}", "--token", "T{n}", "--cameras", "2", "--for", "900ms",
		"--size", "320x240", "--bitrate", "500k", "--loss", "5%", "--ledger", ledger, "-o", "json")
	var totals struct {
		Cameras   int
		Failures  int
		LastError string
	}
	if err := json.Unmarshal([]byte(out), &totals); err != nil || exit != exitFailed {
		t.Fatalf("exit %d: %v in %q", exit, err, out)
	}
	if totals.Cameras != 2 || totals.Failures < 2 || totals.LastError != "publish: the server answered 503 Service Unavailable no more cameras" {
		t.Errorf("totals %+v", totals)
	}
	for _, want := range []string{"POST /whip/cam1 Bearer T1", "POST /whip/cam2 Bearer T2"} {
		if !slices.Contains(asked, want) {
			t.Errorf("no %q in %q", want, asked)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(ledger), "2")); err != nil {
		t.Error(err)
	}
}
