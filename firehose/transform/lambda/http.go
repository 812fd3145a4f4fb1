package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"headgate/shardlog"
)

// HTTP calls a function by POST <URL>/2015-03-31/functions/NAME/invocations.
// It does not sign: a client whose transport does is needed for AWS itself.
type HTTP struct {
	URL    string // of the API, http or https
	Name   string
	Client *http.Client // nil is one that waits for 5 minutes
}

// maxInvocation is how long AWS lets a function of Firehose take.
const maxInvocation = 5 * time.Minute

// Check answers Invalid when the address or the name is not usable.
func (h *HTTP) Check() error {
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return shardlog.Errorf(shardlog.Invalid, "check function", "its address must be an http or https URL")
	}
	return CheckName(h.Name)
}

// CheckName answers Invalid unless a function can have the name.
func CheckName(name string) error {
	if name == "" || len(name) > 140 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:$.") != "" {
		return shardlog.Errorf(shardlog.Invalid, "check function", "%q is no name of a function", name)
	}
	return nil
}

// Invoke calls the function. A function that is throttled is Throttled, one
// that cannot be reached or does not exist is Unavailable.
func (h *HTTP) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	address := strings.TrimSuffix(h.URL, "/") + "/2015-03-31/functions/" + url.PathEscape(h.Name) + "/invocations"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(event))
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "invoke function", "%w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	answer, err := h.client().Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL may hold a password
		}
		return nil, shardlog.Errorf(shardlog.Unavailable, "invoke function", "%w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxPayload+1))
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Unavailable, "invoke function", "read reply: %w", err)
	}
	return h.reply(answer, body)
}

func (h *HTTP) client() *http.Client {
	if h.Client != nil {
		return h.Client
	}
	return &http.Client{Timeout: maxInvocation, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (h *HTTP) reply(answer *http.Response, body []byte) ([]byte, error) {
	switch code := answer.StatusCode; {
	case code == http.StatusOK && answer.Header.Get("X-Amz-Function-Error") != "":
		return nil, functionError(body)
	case code == http.StatusOK && len(body) > MaxPayload:
		return nil, failed(CodeTooLarge, "the reply is larger than %d bytes", MaxPayload)
	case code == http.StatusOK:
		return body, nil
	case code == http.StatusRequestEntityTooLarge:
		return nil, failed(CodeTooLarge, "the event is too large")
	case code == http.StatusTooManyRequests:
		return nil, &shardlog.Error{Kind: shardlog.Throttled, Op: "invoke function", RetryAfter: retryAfter(answer), Err: fmt.Errorf("it is throttled")}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, shardlog.Errorf(shardlog.Denied, "invoke function", "the server answers %s", answer.Status)
	default:
		return nil, shardlog.Errorf(shardlog.Unavailable, "invoke function", "the server answers %s", answer.Status)
	}
}

// retryAfter is what the server asks for, in seconds or as a date.
func retryAfter(answer *http.Response) time.Duration {
	text := answer.Header.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, time.Hour)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), time.Hour)
	}
	return 0
}

// functionError reads what a function says of its failure.
func functionError(body []byte) error {
	var said struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		said.Message = string(body)
	}
	code := CodeFailed
	if strings.Contains(said.Message, "Task timed out") {
		code = CodeTimedOut
	}
	if said.Type != "" {
		said.Message = said.Type + ": " + said.Message
	}
	return failed(code, "%s", short(said.Message))
}
