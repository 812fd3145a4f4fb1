package intake

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"headgate/shardlog"
)

// fullWait is how long a client of a full disk is asked to wait.
const fullWait = 30 * time.Second

// Status is the HTTP status of an error, and how long the client is asked to
// wait, zero when to come again is no use. Clients of telemetry drop what is
// answered by another code than 429 or 503, so whatever is not their own
// fault is one of these, a full disk included.
func Status(err error) (code int, wait time.Duration) {
	wait = max(shardlog.RetryAfter(err), time.Second)
	switch kind := shardlog.KindOf(err); {
	case errors.Is(err, ErrUnauthorized):
		return http.StatusUnauthorized, 0
	case errors.Is(err, ErrEncoding):
		return http.StatusUnsupportedMediaType, 0
	case kind == shardlog.Invalid:
		return http.StatusBadRequest, 0
	case kind == shardlog.Denied:
		return http.StatusForbidden, 0
	case kind == shardlog.LimitExceeded:
		return http.StatusRequestEntityTooLarge, 0
	case kind == shardlog.Throttled:
		return http.StatusTooManyRequests, wait
	case kind == shardlog.Full:
		return http.StatusServiceUnavailable, max(wait, fullWait)
	default:
		return http.StatusServiceUnavailable, wait
	}
}

// Refuse sets the headers that belong to Status and answers its code. The
// caller then writes the head and a body.
func Refuse(h http.Header, err error) int {
	code, wait := Status(err)
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second))) // RFC 9110, 10.2.3: whole seconds
	}
	switch code {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, identity") // RFC 9110, 15.5.16
	}
	return code
}
