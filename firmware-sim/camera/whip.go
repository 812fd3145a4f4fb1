package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of a server's answer.
const maxAnswer = 256 << 10

// refusal is an answer other than 201.
type refusal struct {
	status string
	detail string
	after  time.Duration // when the server wants to be asked again, zero if it does not say
}

// Error says how the server refused.
func (r *refusal) Error() string {
	return strings.TrimSpace("the server answered " + r.status + " " + r.detail)
}

// whip speaks RFC 9725 as a client.
type whip struct {
	client *http.Client
	token  string
}

func newWHIP(token string) whip {
	return whip{token: token, client: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		Timeout:   20 * time.Second,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if code := next.Response.StatusCode; code != http.StatusTemporaryRedirect && code != http.StatusPermanentRedirect || len(via) > 5 {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// offer posts an offer and returns the answer and the URL of the session.
func (w whip) offer(ctx context.Context, endpoint, offer string) (answer, session string, err error) {
	response, err := w.do(ctx, http.MethodPost, endpoint, offer)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", "", fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusCreated {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		detail, _, _ := strings.Cut(string(body[:min(len(body), 200)]), "\n")
		return "", "", &refusal{status: response.Status, detail: detail, after: time.Duration(seconds) * time.Second}
	}
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != "application/sdp" {
		return "", "", fmt.Errorf("the answer is %q, not SDP", response.Header.Get("Content-Type"))
	}
	location, err := response.Location()
	if err != nil {
		return "", "", errors.New("the answer has no Location")
	}
	return string(body), location.String(), nil
}

// end deletes the session.
func (w whip) end(ctx context.Context, session string) error {
	response, err := w.do(ctx, http.MethodDelete, session, "")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 && response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("delete the session: %w", &refusal{status: response.Status})
	}
	return nil
}

func (w whip) do(ctx context.Context, method, url, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/sdp")
	}
	if w.token != "" {
		request.Header.Set("Authorization", "Bearer "+w.token)
	}
	return w.client.Do(request)
}
