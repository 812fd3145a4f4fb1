package otlp_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// keep answers every request with 200 and shows it.
type keep func(*http.Request)

func (k keep) RoundTrip(r *http.Request) (*http.Response, error) {
	k(r)
	return httptest.NewRecorder().Result(), nil
}

func expand(t *testing.T, r *http.Request) []byte {
	t.Helper()
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
