package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/forward"
	"headgate/sync/raftgroup"
)

// box is one gateway's hardware: a disk and a place in the network. Lives
// come and go on it.
type box struct {
	sim     *history
	host    int
	id      uint64
	founder bool
	joins   bool
	clock   *hands

	mu       sync.Mutex
	disk     *store.Disk   // guarded by mu: as the next life finds it
	now      *life         // guarded by mu: nil while there is none
	lives    int           // guarded by mu
	starting bool          // guarded by mu
	frozen   int           // guarded by mu: why its process stands still
	thawed   chan struct{} // guarded by mu: closed at the end of that; nil while it runs
	gone     bool          // guarded by mu: for good, with its disk
}

func (b *box) name() string { return fmt.Sprintf("%016x", b.id) }

// life is one run of a gateway's process.
type life struct {
	box     *box
	sim     *history
	name    string
	number  int
	disk    *store.Disk
	store   *store.Store
	group   *raftgroup.Group
	log     *streams.Log
	carrier *forward.Carrier
	handler http.Handler
	peers   *acquaintances

	door chan *conn
	shut chan struct{} // closed when nobody accepts

	dead   atomic.Bool    // the power is cut: what happens from then on did not
	gate   sync.RWMutex   // held for reading while something becomes known outside
	trap   atomic.Int64   // changes of the disk until the power is cut; zero or less: none
	all    atomic.Bool    // the trap is for everybody
	guests sync.WaitGroup // clients inside
	users  sync.WaitGroup // peers that read the store
	using  sync.Mutex
	left   bool // guarded by using: the doors are closed
	closed bool // guarded by using: the store is about to be

	cancel context.CancelFunc
	done   chan struct{}   // closed when all of it has ended
	beats  context.Context // ends with the power
	lost   context.CancelFunc
}

func (l *life) host() int    { return l.box.host }
func (l *life) isDead() bool { return l.dead.Load() }

// known does something that the outside notices, unless the power was cut. It
// reports whether it was done.
func (l *life) known(do func()) bool {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.dead.Load() {
		return false
	}
	do()
	return true
}

// enter holds the store open; false when it is closed.
func (l *life) enter() bool {
	l.using.Lock()
	defer l.using.Unlock()
	if l.closed {
		return false
	}
	l.users.Add(1)
	return true
}

func (l *life) leave() { l.users.Done() }

// visit lets a client in, and out again with the answer; false when the doors
// are closed.
func (l *life) visit() (out func(), ok bool) {
	l.using.Lock()
	defer l.using.Unlock()
	if l.left {
		return nil, false
	}
	l.guests.Add(1)
	return l.guests.Done, true
}

// doors are open until ctx ends; then whoever is inside is asked to go.
func (l *life) doors(ctx context.Context) error {
	<-ctx.Done()
	l.using.Lock()
	l.left = true
	l.using.Unlock()
	l.lost()
	l.guests.Wait()
	return nil
}

// alive is the life on the box, nil when there is none.
func (b *box) alive() *life {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// start begins a life on the box's disk. It does nothing when there is one.
func (b *box) start() error {
	b.mu.Lock()
	if b.now != nil || b.gone || b.starting {
		b.mu.Unlock()
		return nil
	}
	b.starting = true
	b.lives++
	l := &life{box: b, sim: b.sim, name: b.name(), number: b.lives, disk: b.disk,
		door: make(chan *conn), shut: make(chan struct{}), done: make(chan struct{})}
	b.mu.Unlock()
	l.beats, l.lost = context.WithCancel(context.Background())
	err := l.wire()
	b.mu.Lock()
	if b.starting = false; err == nil {
		b.now = l
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	b.sim.net.settle(b.host, l)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	b.sim.lives.Go(func() { l.run(ctx) })
	return nil
}

func (l *life) logger() *slog.Logger { return l.sim.log.With("box", l.host(), "life", l.number) }

// wire opens the store and makes the rooms over it, as package gateway does.
func (l *life) wire() (err error) {
	b, p := l.box, l.sim.plan
	l.disk.Watch(l.watch)
	l.store, err = store.Open("data", store.Options{
		Disk: l.disk, Memtable: 512 << 10, Cache: 64 << 10, Decoded: 256 << 10, Now: b.clock.wall, Log: l.logger(),
		Fatal: func(err error) { panic(fmt.Sprintf("box %d: disk: %v", b.host, err)) },
	})
	if err != nil {
		return fmt.Errorf("box %d does not start: %w", b.host, err)
	}
	if l.store.Amnesia() || l.store.Damage() != "" {
		l.sim.fail("box %d: a power cut damaged its store: %s", b.host, l.store.Damage())
	}
	clock := &streams.Clock{Wall: b.clock.wall, Uptime: b.clock.uptime, Synced: b.clock.isSynced}
	l.peers = newAcquaintances(l)
	clock.Peers = l.peers.offset
	c := raftgroup.Config{
		ID: l.name, Machine: witness{l.store, l}, Journal: slowJournal{l.store.Journal(), l}, Locals: l.store, Snapshots: l.store,
		Address: address(b.host).String(), Join: b.joins, Reach: l.reach, Facts: l.facts,
		Link:      &raftgroup.Link{Listener: &listener{of: l}, Dial: l.dialRaft},
		Heartbeat: p.heartbeat, SnapshotBytes: p.snapshotBytes, Replace: p.replace, Log: l.logger(),
		Fatal: func(err error) { l.sim.fail("box %d: the group has failed: %v", b.host, err) },
	}
	if !b.joins {
		c.Servers = l.sim.founders()
	}
	if l.group, err = raftgroup.Open(c); err != nil {
		return err
	}
	l.log, err = streams.New(streams.Config{
		Gateway: b.id, Incarnation: b.id ^ 0xabcdef, Proposer: l.group, Catalog: l.store, States: l.store, Ground: ground{l.store, p},
		Gaps: l.store, Limits: p.limits, SyncsPerSecond: p.syncs, Budget: p.budget, Clock: clock, Log: l.logger(),
	})
	if err != nil {
		return err
	}
	return l.wireCarrier()
}

func (l *life) wireCarrier() (err error) {
	p := l.sim.plan
	l.carrier, err = forward.New(forward.Config{
		Gateway: l.box.id, Local: l.log, Catalog: l.store, States: l.store, Applied: l.store.Applied,
		Leadership: leadership{l.group, l.name}, Call: l.carry, Spool: slowSpool{spoolRows{l.store.Spool()}, l}, Notes: l.store, Random: l.sim.random,
		Grace: p.grace, SpoolBytes: p.spoolBytes, SpoolAge: p.spoolAge, Full: p.full, Caller: callerOf, Log: l.logger(),
	})
	if err == nil {
		l.handler = l.carrier.Handler()
	}
	return err
}

// watch cuts the power in the middle of what the disk is told to do.
func (l *life) watch(e store.Event) error {
	if l.trap.Load() > 0 && l.trap.Add(-1) == 0 {
		l.sim.note("trap: box %d: power cut before %s %s", l.host(), e.Op, e.Path)
		if l.all.Load() {
			l.sim.crash(l.sim.boxes...)
			return nil
		}
		l.powerCut()
	}
	return nil
}

// run lives until its context ends, from the doors inward, and closes the store.
func (l *life) run(ctx context.Context) {
	lead := func(duty work) work { return func(ctx context.Context) error { return l.group.Lead(ctx, duty) } }
	err := nest(ctx,
		[]work{l.group.Run},
		[]work{l.carrier.Run, l.peers.run, l.repair, l.scrub, l.keepTime, lead(l.group.Steward)},
		[]work{lead(l.log.Run), lead(l.log.Retain)},
		[]work{l.doors},
	)
	if err != nil && !l.isDead() {
		l.sim.fail("box %d: %v", l.host(), err)
	}
	l.sim.sum(l.carrier.Stats())
	l.using.Lock()
	l.closed = true
	l.using.Unlock()
	l.sim.net.hangUp(l, true)
	l.users.Wait()
	if err := l.store.Close(); err != nil && !l.isDead() {
		l.sim.fail("box %d: close: %v", l.host(), err)
	}
	close(l.done)
}

// powerCut ends a life in one moment: its disk is kept as it is, and what the
// process does from then on reaches nobody.
func (l *life) powerCut() {
	if l.die() {
		l.keepDisk()
	}
}

// die reports whether the life was not dead before.
func (l *life) die() bool {
	l.gate.Lock()
	was := l.dead.Swap(true)
	l.gate.Unlock()
	if !was {
		l.lost()
		l.sim.net.change(func() {}) // whoever reads looks again
	}
	return !was
}

func (l *life) keepDisk() {
	r := l.sim.net.draw()
	next := l.disk.Crash([]int{0, 0, 10, 50, 90, 100}[r.IntN(6)], r.Uint64())
	tell := r.IntN(2) == 0
	b := l.box
	b.mu.Lock()
	b.disk, b.now = next, nil
	b.mu.Unlock()
	// What follows takes locks that whoever changes the disk may hold.
	l.sim.errands.Go(func() {
		l.sim.net.mu.Lock()
		if l.sim.net.homes[b.host] == l {
			l.sim.net.homes[b.host] = nil
		}
		l.sim.net.mu.Unlock()
		l.sim.net.hangUp(l, tell)
		l.cancel()
	})
}

// crash cuts the power of boxes at once.
func (s *history) crash(boxes ...*box) {
	var all []*life
	for _, b := range boxes {
		if l := b.alive(); l != nil && l.die() {
			all = append(all, l)
		}
	}
	for _, l := range all {
		l.keepDisk()
	}
}

// stop ends a life as a service manager does.
func (b *box) stop() {
	l := b.alive()
	if l == nil {
		return
	}
	l.cancel()
	<-l.done
	b.mu.Lock()
	if b.now == l {
		b.now = nil
	}
	b.mu.Unlock()
	b.sim.net.hangUp(l, true)
	b.sim.net.mu.Lock()
	if b.sim.net.homes[b.host] == l {
		b.sim.net.homes[b.host] = nil
	}
	b.sim.net.mu.Unlock()
}

// work is something that runs until its context ends.
type work func(ctx context.Context) error

// nest is package gateway's: the innermost level ends first.
func nest(ctx context.Context, levels ...[]work) error {
	if len(levels) == 0 {
		<-ctx.Done()
		return nil
	}
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, w := range levels[0] {
		group.Go(func() {
			err := w(outer)
			if outer.Err() == nil {
				if err == nil {
					err = errors.New("work ended by itself")
				}
				cancel()
			}
			mu.Lock()
			defer mu.Unlock()
			all = errors.Join(all, err)
		})
	}
	err := nest(inner, levels[1:]...)
	stop()
	group.Wait()
	return errors.Join(err, all)
}
