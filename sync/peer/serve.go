package peer

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"

	"headgate/shardlog"
)

// protocolHeader says in each call which protocols the caller speaks.
const protocolHeader = "Headgate-Protocol"

// helloPath is where a gateway says how it is; whoever speaks another protocol
// is answered there too, so that each sees the other's version.
const helloPath = "/v1/hello"

type callerKey struct{}

// CallerID is the id of the gateway that makes this call, proven by its
// certificate. It is "" outside of a call.
func CallerID(ctx context.Context) string {
	id, _ := ctx.Value(callerKey{}).(string)
	return id
}

// HandlerFunc is a handler of calls that may end with an error. One that comes
// before the first byte of the answer crosses with its Kind; a later one
// breaks the answer off, so that nobody takes it for whole.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls the function.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := &begun{ResponseWriter: w}
	err := f(begun, r)
	switch {
	case err == nil:
	case begun.yes:
		panic(http.ErrAbortHandler) // net/http resets the stream, in silence
	default:
		WriteError(w, err)
	}
}

// begun notes whether an answer has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) WriteHeader(code int) {
	b.yes = true
	b.ResponseWriter.WriteHeader(code)
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// Flush sends what was written.
func (b *begun) Flush() {
	b.yes = true
	_ = http.NewResponseController(b.ResponseWriter).Flush()
}

func (l *Links) newServer() *http.Server {
	s := &http.Server{
		Handler:           http.HandlerFunc(l.serve),
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: l.c.Patience,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(l.c.Log.Handler(), slog.LevelWarn), // of a handler that panicked
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			l.mu.Lock()
			defer l.mu.Unlock()
			return context.WithValue(ctx, callerKey{}, c.(*conn).id)
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              64 << 10,
			SendPingTimeout:               15 * time.Second,
			PingTimeout:                   15 * time.Second,
			MaxReceiveBufferPerConnection: 2 << 20,
			MaxReceiveBufferPerStream:     1 << 20,
		},
	}
	s.Protocols.SetUnencryptedHTTP2(true) // inside TLS, which setUp has done
	return s
}

func (l *Links) serve(w http.ResponseWriter, r *http.Request) {
	l.counters.served.Add(1)
	l.counters.serving.Add(1)
	defer l.counters.serving.Add(-1)
	caller := CallerID(r.Context())
	if l.c.Removed(caller) {
		WriteError(w, shardlog.Errorf(shardlog.Denied, "answer call", "gateway %s was %w", caller, ErrRemoved))
		return
	}
	if r.URL.Path == helloPath {
		l.serveHello(w)
		return
	}
	if err := l.overlap(caller, r.Header.Get(protocolHeader)); err != nil {
		WriteError(w, err)
		return
	}
	http.MaxBytesHandler(l.c.Handler, l.c.MaxBody).ServeHTTP(w, r)
}

func (l *Links) serveHello(w http.ResponseWriter) {
	h := l.c.Hello()
	h.ID, h.Protocol, h.Wall = l.c.ID, l.c.Protocol, l.c.Now()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h) // whoever asked may be gone
}
