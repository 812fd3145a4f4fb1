package kinesisapi_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway/awsapi"
	"headgate/gateway/kinesisapi"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

const (
	keyID   = "AKIDTESTTESTTESTTEST"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	account = awsapi.Account
)

type keys map[string]string

func (k keys) Secret(id string) (string, bool) {
	s, ok := k[id]
	return s, ok
}

// clock is a time that tests move.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	frozen time.Time // zero: time goes on
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.frozen.IsZero() {
		return c.frozen.Add(c.offset)
	}
	return time.Now().Add(c.offset)
}

// freeze stops the clock: from now on only advance moves it.
func (c *clock) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = time.Now()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// house is a server on loopback over a log in memory.
type house struct {
	log   *shardlogtest.Memory
	api   *kinesisapi.API
	door  *awsapi.Door
	clock *clock
	url   string
}

func open(t testing.TB, limits quota.Limits) *house { return openWith(t, limits, nil) }

// openWith opens a house whose API is one of several gateways: tip asks the leader.
func openWith(t testing.TB, limits quota.Limits, tip func(context.Context, shardlog.ShardID) (shardlog.Seq, error)) *house {
	t.Helper()
	h := &house{log: shardlogtest.NewMemory(), clock: &clock{}}
	if !limits.Off {
		h.log.Quota = &quota.Limits{}
	}
	h.log.Now = h.clock.now
	var err error
	h.api, err = kinesisapi.New(kinesisapi.Config{Writer: h.log, Reader: h.log, Catalog: h.log, Control: h.log, States: h.log,
		Tip: tip, Now: h.clock.now, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	// Requests are judged by the real clock: the SDKs sign with it.
	h.door, err = awsapi.New(awsapi.Config{Services: []awsapi.Service{h.api.Service()}, Keys: keys{keyID: secret},
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.url = serve(t, h.door)
	return h
}

// serve serves the handler as the gateway would, until the test ends.
func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := awsapi.NewServer(handler), make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func (h *house) client(options ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		BaseEndpoint: aws.String(h.url),
		HTTPClient:   ownBodies{http.DefaultTransport},
	}, options...)
}

// ownBodies sends requests whose bodies nobody else closes. The SDK closes a
// request's body as soon as the answer begins, while net/http may still look
// for its end: net/http then closes the connection under the answer, which on
// a busy machine ended one subscription in sixty.
type ownBodies struct{ http.RoundTripper }

func (o ownBodies) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(bytes.NewReader(body))
	return o.RoundTrip(own)
}

// once switches the SDK's retries off, so that a test sees the first answer.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
