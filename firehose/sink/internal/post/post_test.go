package post_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

func TestARequestArrivesWhole(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		io.WriteString(w, "fine")
	}))
	defer server.Close()
	c, err := post.Open(post.Config{URL: server.URL + "/base/?k=secret", Header: http.Header{"X-Key": {"v"}}})
	if err != nil {
		t.Fatal(err)
	}
	a := c.Do(t.Context(), post.Request{Path: "/a%2Fb", Query: url.Values{"q": {"1"}}, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("hello")})
	if r := a.Result("it"); !r.Done() || string(a.Body) != "fine" {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	if got.RequestURI != "/base/a%2Fb?k=secret&q=1" || got.Method != http.MethodPost || got.Header.Get("X-Key") != "v" || got.Header.Get("Content-Type") != "text/plain" || string(body) != "hello" {
		t.Errorf("%s %s %v %q", got.Method, got.RequestURI, got.Header, body)
	}
	if strings.Contains(c.String(), "secret") {
		t.Errorf("%s tells a secret", c)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	status, header := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, strings.Repeat("no \n", 1000))
	}))
	defer server.Close()
	c, err := post.Open(post.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		status int
		want   firehose.Class
	}{{200, firehose.Delivered}, {202, firehose.Delivered}, {302, firehose.Config}, {400, firehose.Poison}, {401, firehose.Auth}, {403, firehose.Auth},
		{404, firehose.Config}, {408, firehose.Transient}, {409, firehose.Transient}, {413, firehose.TooLarge}, {429, firehose.Throttled}, {500, firehose.Transient}, {503, firehose.Throttled}} {
		status = s.status
		r := c.Do(t.Context(), post.Request{}).Result("it")
		if r.Class != s.want || (r.Err == nil) != r.Done() {
			t.Errorf("%d is %s: %v", s.status, r.Class, r.Err)
		}
		if r.Err != nil && len(r.Err.Error()) > 400 {
			t.Errorf("%d bytes of complaint", len(r.Err.Error()))
		}
	}
	status, header = 429, "17"
	if r := c.Do(t.Context(), post.Request{}).Result("it"); r.RetryAfter != 17*time.Second {
		t.Errorf("waits %s", r.RetryAfter)
	}
}

func TestNobodyThere(t *testing.T) {
	c, err := post.Open(post.Config{URL: "http://127.0.0.1:1/?key=secret"})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Do(t.Context(), post.Request{}).Result("it")
	if r.Class != firehose.Transient || strings.Contains(r.Err.Error(), "secret") {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestAURLHoldsNoPassword(t *testing.T) {
	for _, bad := range []string{"", "ftp://host", "http://", "https://me:hunter2@host/", "http://[::1", "host:80"} {
		_, err := post.Open(post.Config{URL: bad})
		if shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAHeaderThatCannotBeSent(t *testing.T) {
	for _, bad := range []string{"hunter2\nX-Other: 1", "hunter2\r", "hunter2\x00", "hunter2\x7f"} {
		_, err := post.Open(post.Config{URL: "http://x", Header: http.Header{"X-Key": {bad}}})
		if shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
