package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"headgate/shardlog"
)

const (
	callTime  = 30 * time.Second // of a Call whose context has no end
	maxHeader = 16 << 10

	maxStreams = 1000 // that a gateway takes on one connection
	maxCalls   = 900  // that are made on it; the rest is for hellos
	firstCalls = 100  // that HTTP/2 allows until the other gateway has spoken
)

// Call asks another gateway and answers what it said. Without an end of its
// own the context gets one of 30 seconds. Kinds: Unavailable when the gateway
// was certainly not reached, Denied when it or this one was removed, Unknown
// when the question may have arrived but no answer came back; otherwise the
// gateway's own error with its Kind.
func (l *Links) Call(ctx context.Context, id, method, path string, body []byte) ([]byte, error) {
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTime)
		defer cancel()
	}
	r, err := l.ask(ctx, routeKey{id, false}, method, path, body)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(r.Body, l.c.MaxBody+1))
	if err != nil {
		return nil, unanswered(id, err)
	}
	if int64(len(answer)) > l.c.MaxBody {
		return nil, unanswered(id, fmt.Errorf("the answer has more than %d bytes", l.c.MaxBody))
	}
	return answer, nil
}

// Open is Call with an answer of any length, which is read as it comes, over a
// connection of its own, so that it keeps no other call waiting. The caller
// closes it; the context ends it. An answer that breaks off ends with an error
// of Kind Unknown, never with io.EOF.
func (l *Links) Open(ctx context.Context, id, method, path string, body []byte) (io.ReadCloser, error) {
	r, err := l.ask(ctx, routeKey{id, true}, method, path, body)
	if err != nil {
		return nil, err
	}
	return &stream{r.Body, id}, nil
}

type stream struct {
	io.ReadCloser
	id string
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = unanswered(s.id, err)
	}
	return n, err
}

func unanswered(id string, err error) error {
	return &shardlog.Error{Kind: shardlog.Unknown, Op: "call gateway " + id, Err: err}
}

// ask sends a question and waits for the beginning of a good answer.
func (l *Links) ask(ctx context.Context, key routeKey, method, path string, body []byte) (*http.Response, error) {
	if err := l.speaks(key.id); err != nil {
		return nil, err
	}
	return l.askAnyway(ctx, key, method, path, body, nil)
}

// askAnyway asks whatever protocol the other speaks. A hello wants to know when
// the question is about to be sent.
func (l *Links) askAnyway(ctx context.Context, key routeKey, method, path string, body []byte, sent func()) (*http.Response, error) {
	q, err := l.question(ctx, key.id, method, path, body)
	if err != nil {
		return nil, err
	}
	client, err := l.client(ctx, key, sent != nil)
	if err != nil {
		return nil, err
	}
	l.counters.calls.Add(1)
	if sent != nil {
		sent()
	}
	r, err := client.RoundTrip(q)
	if err != nil {
		return nil, unanswered(key.id, err)
	}
	if r.StatusCode/100 == 2 {
		return r, nil
	}
	refused := readError(r)
	var house *shardlog.Error
	if !errors.As(refused, &house) {
		return nil, unanswered(key.id, refused)
	}
	return nil, fmt.Errorf("gateway %s: %w", key.id, refused)
}

func (l *Links) question(ctx context.Context, id, method, path string, body []byte) (*http.Request, error) {
	at, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") || !validID(id) {
		return nil, shardlog.Errorf(shardlog.Invalid, "call gateway", "%.80q at %.80q cannot be called", path, id)
	}
	at.Scheme, at.Host = "http", id // HTTP is spoken inside TLS and knows nothing of it
	q, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &shardlog.Error{Kind: shardlog.Invalid, Op: "call gateway", Err: err}
	}
	q.Header.Set(protocolHeader, l.c.Protocol.String())
	return q, nil
}

// routeKey names a connection to another gateway: calls share one, long
// answers another.
type routeKey struct {
	id   string
	long bool
}

// route is a connection for calls that is made when it is needed.
type route struct {
	place   chan struct{}    // held by whoever uses the rest
	client  *http.ClientConn // nil before the first
	address string           // where it leads
}

// client is a connection to the gateway with a place for one question. One
// caller makes it while others wait.
func (l *Links) client(ctx context.Context, key routeKey, hello bool) (*http.ClientConn, error) {
	address, err := l.addressOf(key.id)
	if err != nil {
		return nil, err
	}
	r, err := l.route(key)
	if err != nil {
		return nil, err
	}
	select {
	case r.place <- struct{}{}:
	case <-ctx.Done():
		return nil, unreachable(address, ctx.Err())
	}
	defer func() { <-r.place }()
	if r.client != nil {
		under, good := r.client.InFlight(), r.address == address && r.client.Err() == nil
		if good && under >= maxCalls && !hello {
			return nil, busy(key.id, under)
		}
		if good && r.client.Reserve() == nil {
			return r.client, nil
		}
		if good && under >= firstCalls {
			return nil, busy(key.id, under)
		}
		r.retire()
	}
	client, err := l.transport.NewClientConn(withAddress(ctx, address), "http", net.JoinHostPort(key.id, "1"))
	if err == nil {
		err = client.Reserve()
	}
	if err != nil {
		return nil, asUnavailable(address, err)
	}
	r.client, r.address = client, address
	return client, nil
}

func busy(id string, calls int) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: "call gateway " + id, RetryAfter: 100 * time.Millisecond,
		Err: fmt.Errorf("%d calls are under way", calls)}
}

// retire gives a connection up that takes no more calls: it broke, leads
// elsewhere, was told to go away, or has numbered all its streams. What is
// under way on it may end.
func (r *route) retire() {
	old := r.client
	r.client = nil
	end := func(c *http.ClientConn) {
		if c.Err() != nil || c.InFlight() == 0 {
			_ = c.Close()
		}
	}
	old.SetStateHook(end)
	end(old)
}

func (l *Links) route(key routeKey) (*route, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wanted(); err != nil {
		return nil, err
	}
	r := l.routes[key]
	if r == nil {
		r = &route{place: make(chan struct{}, 1)}
		l.routes[key] = r
	}
	return r, nil
}

// asUnavailable keeps the kind that a dial gave.
func asUnavailable(address string, err error) error {
	var known *shardlog.Error
	if errors.As(err, &known) {
		return err
	}
	return unreachable(address, err)
}

type addressKey struct{}

func withAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// newTransport speaks HTTP/2 over connections that are TLS already, so for
// HTTP they are plain.
func (l *Links) newTransport() *http.Transport {
	t := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, _, at string) (net.Conn, error) {
			id, _, err := net.SplitHostPort(at)
			if err != nil {
				return nil, err
			}
			address, _ := ctx.Value(addressKey{}).(string)
			return asConn(l.dialID(ctx, id, address, protoCalls))
		},
		DisableCompression:     true, // blocks are compressed, and the rest is small
		MaxResponseHeaderBytes: maxHeader,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:               3 * time.Second,
			PingTimeout:                   3 * time.Second,
			MaxReceiveBufferPerConnection: 2 << 20,
			MaxReceiveBufferPerStream:     1 << 20,
		},
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}
