// Package streams is the one write path: it routes entries to shards, charges
// their quotas, pools them, seals blocks and proposes commands; it makes and
// deletes streams, and gives up what is past its retention or over the budget.
// It does not know who agrees on its commands, nor how they are stored.
package streams

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// Ground is what the write path must know of the log it writes to.
type Ground interface {
	Tail() shardlog.Tail
	Extents(stream shardlog.StreamID) []shardlog.Extent // by bucket, oldest first
	LastBundle(gateway, incarnation uint64) uint64
	// Memo is what became of a bundle; false when no part of it has been
	// applied. Kind Expired: its number is settled.
	Memo(id shardlog.BundleID) (shardlog.Memo, bool, error)
	Usage() (shardlog.Usage, error)
}

// StateReader is the reading half of shardlog.States.
type StateReader interface {
	Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error)
	List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte]
}

// Config is what a Log is made of. Proposer, Catalog, States and Ground are
// needed.
type Config struct {
	Gateway, Incarnation uint64 // who numbers the bundles
	Proposer             shardlog.Proposer
	Catalog              shardlog.Catalog
	States               StateReader
	Ground               Ground
	Gaps                 shardlog.Gaps // copied to the stream _gaps; nil: not copied

	Clock          *Clock        // nil: the machine's
	Limits         quota.Limits  // of every shard
	SyncsPerSecond int           // at most, unless blocks fill faster; zero: 40
	Patience       time.Duration // how long a Put waits for this gateway to lead; zero: 5 s
	Budget         Budget
	Log            *slog.Logger // nil: slog.Default
}

// Log is the write path of one gateway: a shardlog.Writer, Control and
// States. Puts are answered while Run runs.
type Log struct {
	c     Config
	clock *Clock

	mu     sync.Mutex
	pool   pool                         // guarded by mu
	routes map[shardlog.StreamID]*route // guarded by mu
	taken  map[shardlog.BundleID]*put   // guarded by mu: numbered Puts that are here
	full   error                        // guarded by mu: why Puts are refused, nil when they are not
	led    chan struct{}                // guarded by mu: closed while Run runs
	built  chan struct{}                // guarded by mu: closed when the cycle has read its entries; nil while it reads none
	counts Stats                        // guarded by mu
	noted  bool                         // guarded by mu: state says that the clock holds expiry back
	fresh  int                          // guarded by mu: bytes sealed since the disk was weighed

	cycle *cycle        // owned by Run; its takes are guarded by mu
	kick  chan struct{} // wakes Run: a Put has come
	trim  chan struct{} // wakes Retain: a retention has changed
	scale chan struct{} // wakes Retain: much has been written
}

var _ interface {
	shardlog.Writer
	shardlog.Control
	shardlog.States
} = (*Log)(nil)

const defaultSyncs = 40

// New makes a write path. It starts nothing. Kind Invalid.
func New(c Config) (*Log, error) {
	if c.Proposer == nil || c.Catalog == nil || c.States == nil || c.Ground == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "make write path", "a proposer, a catalog, states and a ground are needed")
	}
	if err := c.Limits.Validate(); err != nil {
		return nil, err
	}
	if c.SyncsPerSecond <= 0 {
		c.SyncsPerSecond = defaultSyncs
	}
	if c.Patience <= 0 {
		c.Patience = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = NewClock()
	}
	l := &Log{c: c, clock: c.Clock, led: make(chan struct{}), routes: map[shardlog.StreamID]*route{}, taken: map[shardlog.BundleID]*put{},
		kick: make(chan struct{}, 1), trim: make(chan struct{}, 1), scale: make(chan struct{}, 1)}
	l.clock.Floor(c.Ground.Tail().Stamp) // before anything is stamped: a jump shows only against what was
	l.pool.pace = time.Second / time.Duration(c.SyncsPerSecond)
	l.pool.room = make(chan struct{})
	l.cycle = newCycle(l)
	return l, nil
}
