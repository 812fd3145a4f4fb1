// Package post sends one HTTP request and says what its answer means for a
// delivery. It does not know what is in a request, nor how often one is sent.
package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"headgate/shardlog"
)

const (
	defaultTimeout = 3 * time.Minute // what Amazon Data Firehose gives an HTTP endpoint
	defaultAnswer  = 1 << 20
)

// Config names a server. Only URL is needed.
type Config struct {
	URL         string            // http or https, a host and perhaps a path and a query; no password
	Transport   http.RoundTripper // nil: http.DefaultTransport
	Header      http.Header       // of every request; may hold secrets
	Timeout     time.Duration     // of one request; zero: 3 minutes
	AnswerBytes int               // that an answer may have; zero: 1 MiB
	Cookies     http.CookieJar    // nil: none are kept
}

// Client sends requests to one server. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	header http.Header
	most   int // bytes of an answer
	http   *http.Client
}

// Open makes a client; it asks nobody yet. Redirects are not followed: what
// holds a key must not go where a stranger says. Kind Invalid, which repeats
// nothing of the URL.
func Open(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open sink", "url must be http:// or https:// and a host")
	case u.User != nil:
		return nil, shardlog.Errorf(shardlog.Invalid, "open sink", "url must hold no password: name it as a secret")
	}
	if err := whole(c.Header); err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.AnswerBytes <= 0 {
		c.AnswerBytes = defaultAnswer
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	return &Client{base: u, header: c.Header, most: c.AnswerBytes, http: &http.Client{
		Transport: c.Transport, Timeout: c.Timeout, Jar: c.Cookies,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// whole refuses header values that could never be sent (RFC 9110 §5.5): a key
// with a line break in it is a mistake to hear of now.
func whole(h http.Header) error {
	for name, values := range h {
		if strings.ContainsFunc(strings.Join(values, ""), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return shardlog.Errorf(shardlog.Invalid, "open sink", "the value of header %s holds a line break or another control character", name)
		}
	}
	return nil
}

// Request is one request. Path and Query come after those of the client's URL.
type Request struct {
	Method string // empty: POST
	Path   string // with a leading slash, escaped; empty: none
	Query  url.Values
	Header http.Header // beside the client's
	Body   []byte
}

// Do sends a request once.
func (c *Client) Do(ctx context.Context, r Request) Answer {
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.target(r), bytes.NewReader(r.Body))
	if err != nil {
		return Answer{Err: shorn(err)}
	}
	for _, h := range []http.Header{c.header, r.Header} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{Err: shorn(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.most)+1))
	if err != nil {
		return Answer{Err: fmt.Errorf("read answer: %w", shorn(err))}
	}
	if len(body) > c.most {
		return Answer{Err: fmt.Errorf("read answer: it is longer than %d bytes", c.most)}
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

func (c *Client) target(r Request) string {
	path, _, _ := strings.Cut(c.base.EscapedPath()+r.Path, "?")
	query := c.base.RawQuery
	if more := r.Query.Encode(); more != "" {
		query = strings.TrimPrefix(query+"&"+more, "&")
	}
	target := c.base.Scheme + "://" + c.base.Host + path
	if query != "" {
		target += "?" + query
	}
	return target
}

// String is the server for people, without the query, which may be a secret.
func (c *Client) String() string { return c.base.Scheme + "://" + c.base.Host + c.base.EscapedPath() }

// Close gives up connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// shorn takes the URL off an error: its query may hold a key.
func shorn(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
