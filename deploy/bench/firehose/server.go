package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// server takes what is delivered by HTTP, and counts records: lines at /lines,
// Firehose's requests at /firehose.
type server struct {
	url     string
	records atomic.Int64
	http    *http.Server
}

func serve() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &server{url: "http://" + l.Addr().String()}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(l) }() // it ends with close
	return s, nil
}

func (s *server) close() { _ = s.http.Close() }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	content, err := io.ReadAll(z)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/lines" {
		s.records.Add(int64(bytes.Count(bytes.TrimSpace(content), []byte("\n")) + 1))
		return
	}
	s.records.Add(int64(bytes.Count(content, []byte(`"data":"`))))
	_ = json.NewEncoder(w).Encode(map[string]any{"requestId": r.Header.Get("X-Amz-Firehose-Request-Id")})
}

// lines counts those in the gzip files below a folder.
func lines(folder string) (n int, err error) {
	err = filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".gz" {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(z)
		n += bytes.Count(bytes.TrimSpace(content), []byte("\n")) + 1
		return err
	})
	return n, err
}

// patience is how long a backlog may take.
const patience = 20 * time.Minute

// until waits for a condition.
func until(what string, holds func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok, err := holds(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("not within %s: %s", patience, what)
}
