// Package forward carries Puts, control commands and state changes to the
// gateway that leads the site, each Put under a number so that it is applied
// once, and keeps Puts in a spool while no leader can be reached. It does not
// know how gateways find and trust one another, who elects the leader, nor
// how a log or a spool is stored.
package forward

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// Config is what a Carrier is made of. Gateway, Local, Catalog, States,
// Applied, Leadership and Random are needed; without Call only this gateway's
// own log can lead, and without Spool and Notes every door is refused while
// isolated.
type Config struct {
	Gateway    uint64 // numbers bundles; the same for all time, no other gateway's
	Local      Local
	Catalog    shardlog.Catalog
	States     StateReader
	Applied    func() uint64 // the last command applied here
	Leadership Leadership
	Call       Call
	Spool      Spool
	Notes      Notes
	Random     func() uint64 // new at every call: incarnations

	Grace      time.Duration                    // without a leader until isolated; zero: 5 s
	SpoolBytes int64                            // as stored; zero: 256 MiB
	SpoolAge   time.Duration                    // of the oldest row; zero: no bound
	Full       Policy                           // Refuse or DropOldest; "": Refuse
	Isolated   func(shardlog.StreamName) Policy // Keep or Refuse; nil: Keep
	Caller     func(ctx context.Context) string // who calls Handler, from the request's context; nil: one peer for all
	Log        *slog.Logger                     // nil: slog.Default
}

// Policy is what happens to entries while this gateway is isolated.
type Policy string

// The policies.
const (
	Keep       Policy = "spool"       // kept in the spool and acknowledged
	Refuse     Policy = "refuse"      // answered Unavailable, or Full when the spool is
	DropOldest Policy = "drop-oldest" // a full spool gives up its oldest rows, and accounts for them
)

const (
	defaultGrace      = 5 * time.Second
	defaultSpoolBytes = 256 << 20
	patience          = 5 * time.Second // how long a caller waits for room, or behind the spool
	callers           = 4               // calls in flight to the leader
	leastRetry        = 20 * time.Millisecond
	mostRetry         = time.Second
	maxPut            = 16 << 20 // bytes of one Put's entries
)

// Carrier is one gateway's way to the leader. Its doors are Writer, Control
// and States; Handler is what the other gateways call. Calls are answered
// while Run runs.
type Carrier struct {
	c       Config
	handler http.Handler
	outbox  *outbox
	desk    *desk
	guests  guests
	counts  counts

	mu      sync.Mutex
	changed chan struct{}      // guarded by mu: closed when those who wait should look again
	iso     isolation          // guarded by mu
	direct  *origin            // guarded by mu: numbers Puts
	aside   *origin            // guarded by mu: numbered before, or for, the spool; nil until isolated
	retired map[uint64]*origin // guarded by mu: earlier ones, by incarnation, until the log forgets them
	calls   map[*call]struct{} // guarded by mu: in flight
	queue   rows               // guarded by mu: what the spool holds
	owes    bool               // guarded by mu: something given up is not in the log
	idle    idle               // guarded by mu

	endSession context.CancelFunc // guarded by mu: of the session that drains, nil while none does
	draining   atomic.Bool

	front sync.Mutex // held while rows leave the spool
	given given      // guarded by front; within a session by its window's mu too
}

// New makes a Carrier. It starts nothing, but reads where the spool begins and
// ends. Kinds: Invalid, and what the spool answers.
func New(c Config) (*Carrier, error) {
	if c.Gateway == 0 || c.Local == nil || c.Catalog == nil || c.States == nil || c.Applied == nil || c.Leadership == nil || c.Random == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "make carrier", "gateway, local, catalog, states, applied, leadership and random are needed")
	}
	if (c.Spool == nil) != (c.Notes == nil) {
		return nil, shardlog.Errorf(shardlog.Invalid, "make carrier", "a spool needs notes, and notes a spool")
	}
	if c.Full == "" {
		c.Full = Refuse
	}
	if c.Full != Refuse && c.Full != DropOldest {
		return nil, shardlog.Errorf(shardlog.Invalid, "make carrier", "a full spool cannot %q", string(c.Full))
	}
	c.Grace = or(c.Grace, defaultGrace)
	c.SpoolBytes = or(c.SpoolBytes, defaultSpoolBytes)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	f := &Carrier{c: c, outbox: newOutbox(), desk: newDesk(), changed: make(chan struct{}), calls: map[*call]struct{}{}, retired: map[uint64]*origin{}}
	f.handler = f.routes()
	f.direct = newOrigin(c.Random())
	f.iso = isolation{grace: c.Grace}
	if err := f.openSpool(); err != nil {
		return nil, err
	}
	return f, nil
}

func or[T int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Run carries until ctx ends. What waits then is answered Unavailable or,
// when it may have been taken, Unknown.
func (f *Carrier) Run(ctx context.Context) error {
	f.begin(time.Now())
	g, ctx := errgroup.WithContext(ctx)
	for range callers {
		g.Go(func() error { return f.send(ctx) })
	}
	g.Go(func() error { return f.watch(ctx) })
	g.Go(func() error { return f.probe(ctx) })
	g.Go(func() error { return f.settleIdle(ctx) })
	if f.c.Spool != nil {
		g.Go(func() error { return f.setAside(ctx) })
		g.Go(func() error { return f.drain(ctx) })
	}
	return g.Wait()
}

// wake lets those who wait look again. The caller holds mu.
func (f *Carrier) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func unavailable(op string, name shardlog.StreamName, err error) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, Stream: name, Err: err}
}

func unknown(op string, name shardlog.StreamName, err error) error {
	return &shardlog.Error{Kind: shardlog.Unknown, Op: op, Stream: name, Err: err}
}
