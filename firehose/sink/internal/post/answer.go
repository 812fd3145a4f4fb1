package post

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"headgate/firehose"
)

// mostText is how much of a server's complaint is kept.
const mostText = 300

// Answer is what came of a request: Err when nobody answered, and the rest
// when somebody did.
type Answer struct {
	Err    error
	Status int
	Header http.Header
	Body   []byte
}

// Result says what the answer means where nothing else is agreed on: any 2xx
// delivered, 401 and 403 auth, 404, 405, 410 and 3xx config, 413 too large,
// 429 and 503 throttled, 400, 406, 415 and 422 poison, all else transient. Err
// begins with who, the server in words.
func (a Answer) Result(who string) firehose.Result {
	if a.Err != nil {
		return firehose.Fail(firehose.Transient, fmt.Errorf("%s: %w", who, a.Err))
	}
	if class := a.class(); class != firehose.Delivered {
		return a.Fail(class, who)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Fail is a result of the class that quotes the answer, and waits as long as
// it asks for.
func (a Answer) Fail(class firehose.Class, who string) firehose.Result {
	if a.Err != nil {
		return firehose.Fail(class, fmt.Errorf("%s: %w", who, a.Err))
	}
	r := firehose.Fail(class, fmt.Errorf("%s answers %d %s", who, a.Status, a.Text()))
	r.RetryAfter = retryAfter(a.Header.Get("Retry-After"))
	return r
}

// Text is the beginning of what the server said, on one line.
func (a Answer) Text() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(a.Body[:min(len(a.Body), 4*mostText)]), "")), " ")
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return text
}

func (a Answer) class() firehose.Class {
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return firehose.Auth
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return firehose.Config
	case http.StatusRequestEntityTooLarge:
		return firehose.TooLarge
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return firehose.Throttled
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return firehose.Poison
	}
	switch a.Status / 100 {
	case 2:
		return firehose.Delivered
	case 3:
		return firehose.Config
	}
	return firehose.Transient
}

// retryAfter reads the header (RFC 9110 §10.2.3): seconds or a date.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
