// Package peer is the links between the gateways of a site: one port with
// mutual TLS for the consensus, for calls and for newcomers; what each gateway
// last said of itself, and how far its clock is off. It does not know where
// papers come from, what a call means, nor how a leader is elected.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// Config is what links need. The functions are called at any time, by many at
// once, and must answer at once.
type Config struct {
	ID       string
	Protocol Range        // of calls that this release speaks
	Listener net.Listener // plain TCP; closed by Run

	// Certificate is this gateway's, with the authority's behind it.
	Certificate func() *tls.Certificate
	// Verify is the id of the gateway that showed these certificates, or why
	// it is not believed.
	Verify func(raw [][]byte) (id string, err error)
	// Removed reports whether a gateway may not come back; nil: none.
	Removed func(id string) bool
	// Members are the gateways of the site; this one among them does no harm.
	Members func() []Member
	// Hello is what this gateway says of itself; ID, Protocol and Wall are filled in.
	Hello func() Hello

	// Handler answers the calls of other gateways; CallerID says whose. Its
	// errors cross by WriteError (see HandlerFunc). Nil: every call NotFound.
	Handler http.Handler
	// Admit lets newcomers in; nil: nobody. It is not in a hurry. Kind Denied
	// for a secret that is wrong, used or too old. It answers the same ID with
	// the same secret again: the first answer may have been lost.
	Admit func(ctx context.Context, r JoinRequest) (JoinAnswer, error)

	Now      func() time.Time // the wall clock; nil: time.Now
	Log      *slog.Logger     // nil: silent
	Interval time.Duration    // between two hellos; 0: a second
	Patience time.Duration    // until a connection is set up or a hello answered; 0: 5 seconds
	MaxBody  int64            // bytes of a call, and of what Call reads; 0: 8 MiB
}

// Member is a gateway of the site and where it listens.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"`
}

// Validate says what is missing. Kind Invalid.
func (c *Config) Validate() error {
	switch {
	case !validID(c.ID):
		return shardlog.Errorf(shardlog.Invalid, "link peers", "%.80q cannot be the id of a gateway", c.ID)
	case c.Listener == nil || c.Certificate == nil || c.Verify == nil || c.Members == nil || c.Hello == nil:
		return shardlog.Errorf(shardlog.Invalid, "link peers", "listener, certificate, verify, members and hello are needed")
	}
	return nil
}

// Links are one gateway's connections to the others. They are safe for
// concurrent use. Connections to others can be made before Run, others reach
// this gateway while Run runs.
type Links struct {
	c         Config
	transport *http.Transport
	calls     *queue // connections for the server of calls
	guard     guard
	joining   chan struct{} // a place for each newcomer that is served
	counters  counters

	mu     sync.Mutex
	open   map[*conn]struct{} // guarded by mu
	cut    bool               // guarded by mu
	closed bool               // guarded by mu
	ran    bool               // guarded by mu
	raft   *queue             // guarded by mu; who takes connections of the consensus
	routes map[routeKey]*route
	states map[string]*state // guarded by mu
}

// counters are what Stats tells.
type counters struct {
	accepted, refused, failed, calls, served, joins atomic.Uint64
	serving                                         atomic.Int64 // calls under way
}

// New makes links; nothing runs. Kind Invalid as Validate says.
func New(c Config) (*Links, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Removed == nil {
		c.Removed = func(string) bool { return false }
	}
	if c.Handler == nil {
		c.Handler = HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			return shardlog.Errorf(shardlog.NotFound, "answer call", "%s is nothing here", r.URL.Path)
		})
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Interval = orElse(c.Interval, time.Second)
	c.Patience = orElse(c.Patience, 5*time.Second)
	c.MaxBody = orElse(c.MaxBody, 8<<20)
	l := &Links{
		c: c, calls: newQueue(c.Listener.Addr()), joining: make(chan struct{}, maxJoining),
		open: map[*conn]struct{}{}, routes: map[routeKey]*route{}, states: map[string]*state{},
	}
	l.transport = l.newTransport()
	return l, nil
}

func orElse[T time.Duration | int64](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// leaveTime is how long calls under way may take when Run ends.
const leaveTime = 2 * time.Second

// Run serves the other gateways and asks each how it is, until ctx ends. Then
// it closes the listener and, after a moment for calls under way, every
// connection. It owns all goroutines of the links and may be called once.
func (l *Links) Run(ctx context.Context) error {
	l.mu.Lock()
	again := l.ran
	l.ran = true
	l.mu.Unlock()
	if again {
		return shardlog.Errorf(shardlog.Invalid, "run links", "they have run before")
	}
	server := l.newServer()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.accept(ctx) })
	group.Go(func() error { return l.poll(ctx) })
	group.Go(func() error {
		if err := server.Serve(l.calls); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		_ = l.c.Listener.Close()
		l.leave(server)
		l.close()
		return nil
	})
	return group.Wait()
}

// flushTime is what the last answer needs from its handler into the socket.
const flushTime = 50 * time.Millisecond

// leave ends the server of calls. With none under way it does so almost at
// once: HTTP/2 takes a second to say goodbye.
func (l *Links) leave(server *http.Server) {
	if l.counters.serving.Load() > 0 {
		late, cancel := context.WithTimeout(context.Background(), leaveTime)
		defer cancel()
		_ = server.Shutdown(late)
	} else {
		wait(context.Background(), flushTime)
	}
	_ = server.Close()
}

// validID is what access allows as the id of a gateway; it is also a host name
// as far as HTTP is concerned.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
