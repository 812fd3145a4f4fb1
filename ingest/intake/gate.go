// Package intake is what doors that take telemetry by HTTP have in common: how
// many requests are under way, how large a body may be, how fast one source
// may send, and how a request's entries get into the log. It does not know
// what a body says.
package intake

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// Config bounds a Gate. Every zero value is usable.
type Config struct {
	Packed   int64         // bytes of a body as it comes over the wire; zero: 4 MiB
	Unpacked int64         // bytes of a body once unpacked; zero: 16 MiB
	Requests int64         // under way at once; zero: 64
	Memory   int64         // bytes that bodies under way may take together; zero: 64 MiB, and never less than two of Unpacked
	Arrive   time.Duration // how long a body may take to come; zero: 30 s
	// PerSource is what one source may send in a second: RecordsIn counts
	// requests, BytesIn bytes of unpacked bodies. Zero: 100 requests, 8 MiB.
	PerSource quota.Limits
	// Allow says whether the request may come in (a bearer token, a client
	// certificate). It is asked before anything of the body is read; nil: all may.
	Allow func(r *http.Request) bool
	// Source names who sends, for quotas, partition keys and metadata; nil: the
	// address of the connection without its port. A gateway behind a proxy
	// sets it.
	Source func(r *http.Request) string
	Now    func() time.Time // nil: time.Now
}

// Gate lets requests in. It is safe for concurrent use.
type Gate struct {
	config  Config
	slots   *semaphore.Weighted
	memory  *semaphore.Weighted
	sources sources

	bytes, denied, throttled, busy, large, malformed atomic.Int64
}

// New makes a Gate. Kind Invalid: a bound is negative.
func New(c Config) (*Gate, error) {
	if c.Packed < 0 || c.Unpacked < 0 || c.Requests < 0 || c.Memory < 0 || c.Arrive < 0 {
		return nil, shardlog.Errorf(shardlog.Invalid, "bound requests", "a bound is negative")
	}
	if err := c.PerSource.Validate(); err != nil {
		return nil, err
	}
	c.Packed = or(c.Packed, 4<<20)
	c.Unpacked = or(c.Unpacked, 16<<20)
	c.Requests = or(c.Requests, 64)
	c.Memory = max(or(c.Memory, 64<<20), 2*(c.Unpacked+1)) // a body that grows is there twice
	c.Arrive = or(c.Arrive, 30*time.Second)
	c.PerSource.RecordsIn = or(c.PerSource.RecordsIn, 100)
	c.PerSource.BytesIn = or(c.PerSource.BytesIn, 8<<20)
	if c.Source == nil {
		c.Source = peer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Gate{config: c, slots: semaphore.NewWeighted(c.Requests), memory: semaphore.NewWeighted(c.Memory),
		sources: sources{limits: c.PerSource, largest: int(c.Unpacked)}}, nil
}

func or[T int | int64 | time.Duration](v, usual T) T {
	if v == 0 {
		return usual
	}
	return v
}

// peer is the address of the connection's other end, without its port.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// ErrUnauthorized is in the chain of an error of Take when Allow said no.
var ErrUnauthorized = errors.New("credentials are missing or wrong")

// ErrEncoding is in the chain of an error of Take when the body is packed in
// a way that is not understood.
var ErrEncoding = errors.New("content encoding is not understood, use gzip or identity")

// Body is a request's body, unpacked. Close gives back its room.
type Body struct {
	Bytes  []byte
	Source string
	close  func()
}

// Close ends the request: Bytes must not be used any more. It may be called
// more than once.
func (b *Body) Close() { b.close() }

// Take lets the request in and reads its body, which is unpacked when it says
// gzip. The caller closes the Body when the request is answered. Kinds: Denied
// (with ErrUnauthorized), Unavailable (too much under way, or the body does
// not come), Throttled (the source's quota), LimitExceeded (too large),
// Invalid (cannot be unpacked; with ErrEncoding).
func (g *Gate) Take(w http.ResponseWriter, r *http.Request) (*Body, error) {
	body, err := g.take(w, r)
	if err == nil {
		g.bytes.Add(int64(len(body.Bytes)))
		return body, nil
	}
	switch shardlog.KindOf(err) {
	case shardlog.Denied:
		g.denied.Add(1)
	case shardlog.Throttled:
		g.throttled.Add(1)
	case shardlog.LimitExceeded:
		g.large.Add(1)
	case shardlog.Invalid:
		g.malformed.Add(1)
	default:
		g.busy.Add(1)
	}
	return nil, err
}

func (g *Gate) take(w http.ResponseWriter, r *http.Request) (*Body, error) {
	if g.config.Allow != nil && !g.config.Allow(r) {
		return nil, &shardlog.Error{Kind: shardlog.Denied, Op: "let request in", Err: ErrUnauthorized}
	}
	source := g.config.Source(r)
	if err := g.sources.take(source, g.config.Now(), 1, 0); err != nil {
		return nil, err
	}
	if !g.slots.TryAcquire(1) {
		return nil, busy("too many requests under way")
	}
	held := &room{of: g.memory}
	release := sync.OnceFunc(func() { held.free(); g.slots.Release(1) })
	data, err := g.read(w, r, held)
	if err == nil {
		err = g.sources.take(source, g.config.Now(), 0, len(data))
	}
	if err != nil {
		release()
		return nil, err
	}
	return &Body{Bytes: data, Source: source, close: release}, nil
}

// busy asks to come again soon.
func busy(why string) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: "let request in", RetryAfter: time.Second, Err: errors.New(why)}
}

// Stats counts what came of requests since the start.
type Stats struct {
	Bytes     int64 // of unpacked bodies that were let in
	Denied    int64 // requests that Allow refused
	Throttled int64 // over their source's quota
	Busy      int64 // too much under way, or the body did not come
	TooLarge  int64
	Malformed int64 // could not be unpacked
}

// Stats is a snapshot.
func (g *Gate) Stats() Stats {
	return Stats{Bytes: g.bytes.Load(), Denied: g.denied.Load(), Throttled: g.throttled.Load(),
		Busy: g.busy.Load(), TooLarge: g.large.Load(), Malformed: g.malformed.Load()}
}
