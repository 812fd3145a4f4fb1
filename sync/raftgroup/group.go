// Package raftgroup makes commands durable and ordered on a majority of a
// site's gateways and applies them to a shardlog.Machine: the consensus engine
// around a journal. One voter and several are one code path. It knows neither
// what a command means nor how its peers are reached or trusted.
package raftgroup

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

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

	// Address is where peers find this gateway; when it changes, the site is
	// told. Empty: as in Servers, else as the site knows it.
	Address string
	// Servers are the voters of a site that is founded now, ID among them;
	// none means that this gateway founds it alone. A site that exists keeps
	// its own list and ignores this one.
	Servers []Server
	// Join is a gateway that founds nothing: as long as it knows no site, it
	// waits to be added by a leader. Servers is ignored.
	Join bool
	// Link reaches the peers. Nil is a gateway that has none.
	Link *Link
	// Reach pulls from the peers until the machine has applied an index. What
	// it pulled before an error or the end of ctx it need not pull again. Nil:
	// there is nobody to pull from.
	Reach func(ctx context.Context, applied uint64) error
	// Facts are what this gateway knows of the others, by ID, for Steward. Its
	// own may be among them. Nil: nothing, so that no voter is ever made or replaced.
	Facts func() map[string]Fact
	// Replace is how long a voter is away before a learner takes its place.
	// Zero: 5 minutes.
	Replace time.Duration
	// Heartbeat is how long a follower waits before it believes that the
	// leader is gone; the leader gives up after half of it without a majority.
	// Zero: 250 ms without a link, else 1 s. A lone voter never waits for it.
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
	replaceAfter     = 5 * time.Minute
	maxAppendEntries = 8 // a MiB each; larger ones are read one by one, see large.go
)

// Group is one gateway's part in the consensus of its site. Its methods may
// be called from any goroutine, before, during and after Run.
type Group struct {
	config  Config
	waiting chan *proposal // handed over while this gateway leads
	fsm     *fsm
	logs    *logStore
	puller  *puller
	door    *door // nil without a link

	changing  chan struct{} // holds one while the membership is being changed from here
	reloading sync.Mutex    // held while an engine's settings are being changed

	failOnce sync.Once
	failure  error         // written before failed is closed
	failed   chan struct{} // closed by fail

	mu        sync.Mutex
	view      view          // guarded by mu
	counted   counters      // guarded by mu
	engine    *raft.Raft    // guarded by mu, nil while none runs
	members   []Member      // guarded by mu, of the last engine
	past      []sample      // guarded by mu, while a steward is at work
	heartbeat time.Duration // guarded by mu
	lease     time.Duration // guarded by mu: of the engine
	ran       bool          // guarded by mu
}

// Open checks the configuration and makes a group. It starts nothing and
// writes nothing; Run does. Kind Invalid.
func Open(c Config) (*Group, error) {
	if c.ID == "" || c.Machine == nil || c.Journal == nil || c.Locals == nil || c.Snapshots == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open group", "an ID, a machine, a journal, locals and snapshots are needed")
	}
	if err := c.settle(); err != nil {
		return nil, err
	}
	g := &Group{config: c, heartbeat: c.Heartbeat, waiting: make(chan *proposal), changing: make(chan struct{}, 1), failed: make(chan struct{})}
	g.view.changed = make(chan struct{})
	g.logs = &logStore{writing: make(chan struct{}, 1), journal: c.Journal, machine: c.Machine, fail: g.fail, peers: c.Link != nil}
	g.puller = newPuller(c, g.logs)
	g.logs.renew = g.puller.renew
	ripe := make(chan struct{}, 1)
	g.logs.ripe = ripe
	g.fsm = &fsm{machine: c.Machine, every: c.SnapshotBytes, fail: g.fail, broken: g.broken, ripe: ripe, logs: g.logs}
	if c.Link != nil {
		g.door = &door{link: c.Link}
		g.puller.hangUp = g.door.hangUp
	}
	return g, nil
}

// settle checks what belongs together and fills in the defaults.
func (c *Config) settle() error {
	switch {
	case c.Join && c.Link == nil:
		return shardlog.Errorf(shardlog.Invalid, "open group", "a gateway that joins needs a link")
	case c.Join:
		c.Servers = nil
	case len(c.Servers) == 0:
		c.Servers = []Server{{ID: c.ID, Address: c.address()}}
	case !c.listed():
		return shardlog.Errorf(shardlog.Invalid, "open group", "%q is not among its servers", c.ID)
	case len(c.Servers) > 1 && c.Link == nil:
		return shardlog.Errorf(shardlog.Invalid, "open group", "%d servers without a link", len(c.Servers))
	}
	if c.Heartbeat == 0 && c.Link == nil {
		c.Heartbeat = aloneHeartbeat
	} else if c.Heartbeat == 0 {
		c.Heartbeat = peersHeartbeat
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = snapshotBytes
	}
	if c.Replace == 0 {
		c.Replace = replaceAfter
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
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
	if c.Address != "" {
		return c.Address
	}
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
