package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"headgate/shardlog"
)

// statusError is a refusal that the protocol has a code of its own for.
type statusError struct {
	status int
	code   string // what programs act on
	text   string
}

func (e *statusError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, "invalid", fmt.Errorf(format, args...).Error()}
}

func tooLarge(format string, args ...any) error {
	return &statusError{http.StatusRequestEntityTooLarge, "too large", fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &statusError{http.StatusForbidden, "denied", fmt.Sprintf(format, args...)}
}

func unknownKey() error {
	return forbidden("no such site key; give it by ?%s= or %s", paramKey, headerKey)
}

// quote shows a stranger's text, shortened.
func quote(text string) string { return strconv.QuoteToASCII(cut(text, 64)) }

// refusal is an error as the client is told it.
type refusal struct {
	status int
	code   string
	text   string
	wait   time.Duration // until it may be worth another try; zero: it is not
}

// explain maps an error, of Kinds or a statusError, to what the client is told.
func explain(err error) refusal {
	var known *statusError
	if errors.As(err, &known) {
		return refusal{status: known.status, code: known.code, text: known.text}
	}
	r := refusal{text: err.Error(), wait: shardlog.RetryAfter(err)}
	switch shardlog.KindOf(err) {
	case shardlog.Throttled:
		r.status, r.code, r.wait = http.StatusTooManyRequests, "throttled", max(r.wait, time.Millisecond)
	case shardlog.Unavailable, shardlog.Moved, shardlog.Conflict:
		r.status, r.code, r.wait = http.StatusServiceUnavailable, "unavailable", max(r.wait, retrySoon)
	case shardlog.Unknown:
		r.status, r.code, r.wait = http.StatusServiceUnavailable, "unknown", max(r.wait, retrySoon)
		r.text = "it may or may not have been stored: " + r.text
	case shardlog.Full, shardlog.LimitExceeded:
		r.status, r.code = http.StatusInsufficientStorage, "full"
	case shardlog.Invalid:
		r.status, r.code = http.StatusBadRequest, "invalid"
	case shardlog.NotFound:
		r.status, r.code = http.StatusNotFound, "not found"
	case shardlog.Denied:
		r.status, r.code = http.StatusForbidden, "denied"
	default:
		r.status, r.code, r.text = http.StatusInternalServerError, "internal", "the gateway could not store it; its log says why"
	}
	return r
}

// again reports whether the same request may do better later.
func (r *refusal) again() bool { return r.status == http.StatusTooManyRequests || r.status >= 500 }

// weight orders refusals: of several the heaviest is the answer's. Those that
// another try may mend weigh most, so that a client that looks at the status
// alone tries again and loses nothing.
func (r *refusal) weight() int {
	switch r.status {
	case http.StatusServiceUnavailable:
		return 5
	case http.StatusTooManyRequests:
		return 4
	case http.StatusInternalServerError:
		return 3
	case http.StatusInsufficientStorage:
		return 2
	default:
		return 1
	}
}
