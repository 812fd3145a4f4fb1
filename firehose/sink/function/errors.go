package function

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"headgate/firehose"
)

// mostText is how much of a function's complaint is kept.
const mostText = 300

// result says what an answer means for the delivery ("Invoke", AWS Lambda API
// reference). A function that failed is transient here; judge decides.
func (a *answer) result() firehose.Result {
	if a.err != nil {
		return firehose.Fail(firehose.Transient, a.err)
	}
	said := fmt.Errorf("the function's server answers %d: %.*s", a.status, mostText, a.body)
	switch {
	case a.failed:
		return firehose.Fail(firehose.Transient, fmt.Errorf("%w: %.*s", errFunction, mostText, a.body))
	case a.status >= 200 && a.status < 300:
		return firehose.Result{Class: firehose.Delivered}
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		r := firehose.Fail(firehose.Throttled, said)
		r.RetryAfter = retryAfter(a.header.Get("Retry-After"))
		return r
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return firehose.Fail(firehose.Auth, said)
	case a.status == http.StatusRequestEntityTooLarge:
		return firehose.Fail(firehose.TooLarge, said)
	case a.status == http.StatusNotFound || a.status >= 300 && a.status < 400:
		return firehose.Fail(firehose.Config, said)
	case a.status == http.StatusBadRequest:
		return firehose.Fail(firehose.Poison, said)
	}
	return firehose.Fail(firehose.Transient, said)
}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
