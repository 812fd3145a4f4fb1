package sinktest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"headgate/firehose"
)

// Intake is an HTTP server of single records, for protocols of which there is
// no server to be had. It is written from the vendor's documents.
type Intake struct {
	URL string

	mu     sync.Mutex
	found  []string // guarded by mu
	broken bool     // guarded by mu
}

// StartIntake runs an intake until the test ends. take reads a request, whose
// body is expanded, answers it, and returns the messages that it took;
// while the intake is broken, all are answered with 403.
func StartIntake(t testing.TB, take func(w http.ResponseWriter, r *http.Request, body []byte) (messages []string)) *Intake {
	in := &Intake{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = z
		}
		content, err := io.ReadAll(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.broken {
			http.Error(w, `{"errors":["Forbidden"]}`, http.StatusForbidden)
			return
		}
		for _, message := range take(w, r, content) {
			in.found = append(in.found, DocumentID(message))
		}
	}))
	t.Cleanup(server.Close)
	in.URL = server.URL
	return in
}

// DocumentID is a document of Documents as Desk.Documents names it.
func DocumentID(text string) string {
	var doc struct {
		Batch string
		N     int
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return text
	}
	return fmt.Sprintf("%s/%d", doc.Batch, doc.N)
}

// Documents is what it took.
func (in *Intake) Documents(testing.TB) []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]string(nil), in.found...)
}

// Break answers everything with 403 until mend.
func (in *Intake) Break() (mend func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.broken = true
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.broken = false
	}
}

// At is the intake as a desk, for a sink that open opens at a URL.
func (in *Intake) At(open func(t *testing.T, url string) firehose.Sink) Desk {
	return intakeDesk{in, open}
}

type intakeDesk struct {
	in   *Intake
	open func(t *testing.T, url string) firehose.Sink
}

func (d intakeDesk) Sink(t *testing.T) firehose.Sink { return d.open(t, d.in.URL) }
func (d intakeDesk) Documents(t *testing.T) []string { return d.in.Documents(t) }
func (d intakeDesk) Break(*testing.T) (mend func())  { return d.in.Break() }
