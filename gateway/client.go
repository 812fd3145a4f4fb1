package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"headgate/shardlog"
)

// Client talks to the gateway that runs on a data folder, over its socket.
type Client struct {
	data string
	http *http.Client
}

// Dial makes a client; it does not connect yet.
func Dial(data string) *Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialSocket(ctx, data)
	}}
	return &Client{data: data, http: &http.Client{Transport: transport}}
}

// Running reports whether a gateway answers.
func (c *Client) Running() bool {
	asked, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := dialSocket(asked, c.data)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Status is how the gateway is doing.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// Await asks until the gateway takes records or ctx ends.
func (c *Client) Await(ctx context.Context) (Status, error) {
	for {
		s, err := c.Status(ctx)
		if err == nil && s.Health.Ready {
			return s, nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			if err == nil || ctx.Err() != nil {
				err = fmt.Errorf("the gateway on %s does not take records: %s", c.data, or(s.Health.Why, "nobody answers"))
			}
			return s, err
		}
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Stream is one stream with its shards.
func (c *Client) Stream(ctx context.Context, name string) (d StreamDetail, err error) {
	return d, c.call(ctx, http.MethodGet, "/streams/"+url.PathEscape(name), nil, &d)
}

// CreateStream makes a stream.
func (c *Client) CreateStream(ctx context.Context, name string, spec StreamSpec) (d StreamDetail, err error) {
	return d, c.call(ctx, http.MethodPut, "/streams/"+url.PathEscape(name), spec, &d)
}

// DeleteStream deletes a stream and its records.
func (c *Client) DeleteStream(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/streams/"+url.PathEscape(name), nil, nil)
}

// SetRetention changes how long a stream's records stay readable.
func (c *Client) SetRetention(ctx context.Context, name, retention string) (d StreamDetail, err error) {
	return d, c.call(ctx, http.MethodPut, "/streams/"+url.PathEscape(name)+"/retention", StreamSpec{Retention: retention}, &d)
}

// Put stores records, and waits while they are throttled.
func (c *Client) Put(ctx context.Context, stream string, records []PutRecord) (results []PutResult, err error) {
	return results, c.call(ctx, http.MethodPost, "/streams/"+url.PathEscape(stream)+"/records", records, &results)
}

// TailQuery says what to read of a stream.
type TailQuery struct {
	Stream string
	From   string // as ParseStart reads it
	Shard  string // empty: all
	Key    string // empty: all
	Limit  int    // zero: no limit
	Follow bool   // go on with what comes
}

// Tail yields records until there are no more, or yield answers an error.
func (c *Client) Tail(ctx context.Context, q TailQuery, yield func(TailRecord) error) error {
	v := url.Values{"from": {q.From}}
	for name, value := range map[string]string{"shard": q.Shard, "key": q.Key} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Follow {
		v.Set("follow", "1")
	}
	return lined(ctx, c, "/streams/"+url.PathEscape(q.Stream)+"/records?"+v.Encode(), yield)
}

// Gaps yields what was given up, oldest first.
func (c *Client) Gaps(ctx context.Context, yield func(GapDetail) error) error {
	return lined(ctx, c, "/gaps", yield)
}

// Verify walks every block of the running gateway.
func (c *Client) Verify(ctx context.Context, progress func(done, total uint64)) (report VerifyReport, err error) {
	return report, lined(ctx, c, "/verify", func(s VerifyStep) error {
		if s.Report != nil {
			report = *s.Report
		}
		progress(s.Done, s.Total)
		return nil
	})
}

// SetLogLevel changes how much the gateway logs, until it ends.
func (c *Client) SetLogLevel(ctx context.Context, level string) error {
	return c.call(ctx, http.MethodPut, "/log-level", map[string]string{"level": level}, nil)
}

// maxAnswer bounds an answer that is one value.
const maxAnswer = 64 << 20

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, body)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refused(resp.Body, resp.Status)
}

// explain says what to do when nobody answers.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // nobody typed the request
	}
	return fmt.Errorf("no gateway runs on %s: start one with `headgate serve --data %s`, or name its folder with --data (%w)", c.data, c.data, err)
}

// refused is the error that the gateway answered.
func refused(body io.Reader, status string) error {
	var r refusal
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&r); err != nil || r.Message == "" {
		return fmt.Errorf("the gateway answered %s", status)
	}
	return r.error()
}

// answered is an error that crossed the socket: its text says all, its kind
// stays.
type answered struct {
	text string
	kind error
}

// Error is the gateway's text.
func (e *answered) Error() string { return e.text }

// Unwrap is an error of the same kind.
func (e *answered) Unwrap() error { return e.kind }

func (r refusal) error() error {
	return &answered{text: r.Message, kind: &shardlog.Error{Kind: r.Kind, Op: "ask gateway"}}
}

// maxLine bounds one line of an answer: a record of 10 MiB in base64.
const maxLine = 16 << 20

// lined yields the values of an answer that is one a line.
func lined[T any](ctx context.Context, c *Client, path string, yield func(T) error) error {
	return linedOf(ctx, c, http.MethodGet, path, nil, yield)
}

// linedOf is lined for any method and question.
func linedOf[T any](ctx context.Context, c *Client, method, path string, in any, yield func(T) error) error {
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		var last lastLine
		if err := json.Unmarshal(scan.Bytes(), &last); err == nil && last.Error != nil {
			return last.Error.error()
		} else if err == nil && bytes.Equal(bytes.TrimSpace(scan.Bytes()), []byte(`{"done":true}`)) {
			return nil
		}
		var v T
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errors.New("the gateway ended before its answer was complete"), scan.Err())
}
