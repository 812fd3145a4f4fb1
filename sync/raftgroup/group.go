// Package raftgroup makes commands durable and ordered on a majority of a
// site's gateways and applies them to a shardlog.Machine: the consensus engine
// around a journal. One voter and several are one code path. It knows neither
// what a command means nor how its peers are reached or trusted.
package raftgroup

import (
	"log/slog"
	"sync"
	"time"

	"headgate/shardlog"
)

// Config is what a group is made of. ID, Machine, Journal, Locals and
// Snapshots are needed; they usually are the faces of one store.
type Config struct {
	ID        string // this gateway's, the same for all time
	Machine   shardlog.Machine
	Journal   Journal
	Locals    Locals
	Snapshots Snapshots

	// Servers are the voters of a site that is founded now, ID among them;
	// none means that this gateway founds it alone. A site that exists keeps
	// its own list and ignores this one.
	Servers []Server
	// Link reaches the peers. Nil is a gateway that has none.
	Link *Link
	// Heartbeat is how long a follower waits before it believes that the
	// leader is gone; the leader gives up after half of it without a majority.
	// Zero: 250 ms alone, 1 s with peers.
	Heartbeat time.Duration
	// SnapshotBytes is how much is applied between two snapshots, which
	// bounds what a restart replays. Zero: 16 MiB.
	SnapshotBytes uint64

	Log *slog.Logger // nil: slog.Default()
	// Fatal is told, once, that a write of the journal or of the applied state
	// failed: what is on disk is not known any more, so it should end the
	// process. If it is nil or returns, nothing is acknowledged from then on
	// and Run ends with the same error.
	Fatal func(error)
}

// Server is one voter.
type Server struct {
	ID      string
	Address string // as Link dials it
}

// Defaults and bounds.
const (
	aloneHeartbeat   = 250 * time.Millisecond
	peersHeartbeat   = time.Second
	snapshotBytes    = 16 << 20
	maxAppendEntries = 8 // entries are up to a MiB each
)

// Group is one gateway's part in the consensus of its site. Its methods may
// be called from any goroutine, before, during and after Run.
type Group struct {
	config  Config
	waiting chan *proposal // handed over while this gateway leads
	fsm     *fsm
	logs    *logStore

	failOnce sync.Once
	failure  error         // written before failed is closed
	failed   chan struct{} // closed by fail

	mu      sync.Mutex
	view    view     // guarded by mu
	counted counters // guarded by mu
	engine  engine   // guarded by mu, nil outside Run
	ran     bool     // guarded by mu
}

// Open checks the configuration and makes a group. It starts nothing and
// writes nothing; Run does. Kind Invalid.
func Open(c Config) (*Group, error) {
	if c.ID == "" || c.Machine == nil || c.Journal == nil || c.Locals == nil || c.Snapshots == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open group", "an ID, a machine, a journal, locals and snapshots are needed")
	}
	if len(c.Servers) == 0 {
		c.Servers = []Server{{ID: c.ID, Address: c.address()}}
	}
	if !c.listed() {
		return nil, shardlog.Errorf(shardlog.Invalid, "open group", "%q is not among its servers", c.ID)
	}
	if len(c.Servers) > 1 && c.Link == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open group", "%d servers without a link", len(c.Servers))
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = aloneHeartbeat
		if len(c.Servers) > 1 {
			c.Heartbeat = peersHeartbeat
		}
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = snapshotBytes
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	g := &Group{config: c, waiting: make(chan *proposal), failed: make(chan struct{})}
	g.view.changed = make(chan struct{})
	g.logs = &logStore{journal: c.Journal, machine: c.Machine, fail: g.fail, peers: c.Link != nil}
	g.fsm = &fsm{machine: c.Machine, every: c.SnapshotBytes, fail: g.fail, broken: g.broken, ripe: make(chan struct{}, 1)}
	return g, nil
}

func (c Config) listed() bool {
	for _, s := range c.Servers {
		if s.ID == c.ID {
			return true
		}
	}
	return false
}

// address is where peers find this gateway.
func (c Config) address() string {
	for _, s := range c.Servers {
		if s.ID == c.ID {
			return s.Address
		}
	}
	if c.Link != nil {
		return c.Link.Listener.Addr().String()
	}
	return "alone"
}

// fail ends the group: from here on nothing is applied or acknowledged.
func (g *Group) fail(err error) {
	g.failOnce.Do(func() {
		g.failure = err
		close(g.failed)
		if g.config.Fatal != nil {
			g.config.Fatal(err)
		}
	})
}

func (g *Group) broken() bool {
	select {
	case <-g.failed:
		return true
	default:
		return false
	}
}
