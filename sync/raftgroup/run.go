package raftgroup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// Run takes part in the consensus until ctx ends, then leaves cleanly: the
// leadership goes to a peer if there is one, and what a restart would replay
// is covered by a snapshot. It owns all goroutines of the group and the
// link's listener and connections, and may be called once. It returns nil
// after ctx has ended, otherwise what broke the group.
func (g *Group) Run(ctx context.Context) error {
	g.mu.Lock()
	again := g.ran
	g.ran = true
	g.mu.Unlock()
	if again {
		return shardlog.Errorf(shardlog.Invalid, "run group", "it has run before")
	}
	defer g.change(func(v *view) { v.reign, v.leader, v.address, v.stopped = nil, "", "", true })
	if g.door == nil {
		return g.rounds(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.door.run(ctx) })
	group.Go(func() error {
		defer g.door.link.Listener.Close()
		return g.rounds(ctx)
	})
	return group.Wait()
}

// rounds runs one engine after another: an engine does not know how to lose
// the end of its log, so one that has to pull over it is ended before.
func (g *Group) rounds(ctx context.Context) error {
	for {
		if err := g.puller.settle(ctx); err != nil {
			return fmt.Errorf("start consensus: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		g.logs.pull(false)
		if err := g.round(ctx); !errors.Is(err, errTail) {
			return err
		}
	}
}

// round runs one engine.
func (g *Group) round(ctx context.Context) error {
	notify := make(chan bool, 64)
	r, transport, err := g.start(notify)
	if err != nil {
		return fmt.Errorf("start consensus: %w", err)
	}
	observed := make(chan raft.Observation, 64)
	observer := raft.NewObserver(observed, false, func(o *raft.Observation) bool {
		_, leader := o.Data.(raft.LeaderObservation)
		return leader
	})
	r.RegisterObserver(observer)
	defer r.DeregisterObserver(observer)
	g.setEngine(r)
	defer g.setEngine(nil)
	if g.lone(r) {
		g.hurry(r)
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.watch(ctx, r, notify, observed) })
	group.Go(func() error { return g.snapshots(ctx, r) })
	group.Go(func() error { return g.puller.run(ctx) })
	if g.door != nil {
		group.Go(func() error { return g.vigil(ctx, r) })
	}
	down := sync.OnceValue(r.Shutdown)
	patient := insist(ctx, down)
	err = group.Wait()
	if patient() && !g.broken() && !errors.Is(err, errTail) {
		g.leave(r)
	}
	// A closed transport ends the calls that the engine's routines wait for.
	ended := down()
	closeTransport(transport)
	return errors.Join(err, ended.Error())
}

// lastWord is how long what is in flight may still take when an engine is
// asked to end: a leader without followers that store gets no answer, and
// leads on as long as they hear it.
const lastWord = 5 * time.Second

// insist shuts the engine down when it has not ended some time after ctx. It
// answers a function that is called when it has ended, and says whether it
// was patient enough.
func insist(ctx context.Context, down func() raft.Future) (patient func() bool) {
	over, cancel := context.WithCancel(context.WithoutCancel(ctx))
	late := false
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
		case <-over.Done():
			return
		}
		if pause(over, lastWord); over.Err() == nil {
			late = true
			down()
		}
	})
	return func() bool {
		cancel()
		watch.Wait()
		return !late
	}
}

// watch follows the leadership and runs our reigns until ctx or the group ends.
func (g *Group) watch(ctx context.Context, r *raft.Raft, notify <-chan bool, observed <-chan raft.Observation) error {
	end := func() {}
	defer func() { end() }()
	for {
		// Looked at before the first word too: a leader that finds this
		// gateway before anybody observes it is not told of again.
		address, leader := r.LeaderWithID()
		if v := g.look(); v.leader != string(leader) || v.address != string(address) {
			g.change(func(v *view) { v.leader, v.address = string(leader), string(address) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.failed:
			return g.failure
		case leads := <-notify:
			end()
			end = func() {}
			if leads {
				end = g.begin(ctx, r)
			}
		case <-observed:
		}
	}
}

// begin starts a reign: everything agreed on before is applied first, then
// proposals are taken. The answer ends it and waits for what is in flight.
func (g *Group) begin(ctx context.Context, r *raft.Raft) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error {
		if r.Barrier(0).Error() != nil || ctx.Err() != nil {
			return nil
		}
		now := &reign{ended: make(chan struct{})}
		g.change(func(v *view) { v.reign = now })
		g.serve(ctx, r)
		g.change(func(v *view) { v.reign = nil })
		close(now.ended)
		return nil
	})
	return func() {
		cancel()
		_ = group.Wait()
	}
}

// snapshots takes one whenever enough was applied since the last.
func (g *Group) snapshots(ctx context.Context, r *raft.Raft) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.failed:
			return nil
		case <-g.fsm.ripe:
			g.snapshot(r)
			g.cover()
		}
	}
}

// snapshot saves a manifest and lets the engine forget the log before it, all
// but the trail. When it cannot be taken now, the next weight asks again.
func (g *Group) snapshot(r *raft.Raft) {
	trailing := uint64(math.MaxUint64)
	if from, last := g.fsm.trail(), g.config.Journal.Last(); from > 0 && from <= last {
		trailing = last - from + 1
	}
	if err := g.reload(r, func(c *raft.ReloadableConfig) { c.TrailingLogs = trailing }); err != nil {
		g.config.Log.Warn("reload consensus settings", "err", err)
		return
	}
	if err := r.Snapshot().Error(); err != nil {
		if !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			g.config.Log.Warn("take snapshot", "err", err)
		}
		return
	}
	g.count(func(c *counters) { c.snapshots++ })
}

// cover sees to it that hollow entries which followers ask for are covered by
// a snapshot. An engine that has no majority takes none; the next one begins
// with a snapshot of all that is applied.
func (g *Group) cover() {
	wanted, applied := g.logs.wanted.Swap(0), g.config.Machine.Applied()
	if wanted <= g.logs.covers() || wanted > applied {
		return
	}
	if _, err := g.config.Journal.Entry(applied); err != nil {
		return // nor would the next one
	}
	g.config.Log.Info("consensus begins anew, for a follower that needs what was given up", "entry", wanted)
	g.puller.renew()
}

// leave hands the leadership over and covers what a restart would replay.
func (g *Group) leave(r *raft.Raft) {
	if r.State() == raft.Leader && voters(membersOf(r)) > 1 {
		if err := r.LeadershipTransfer().Error(); err != nil {
			g.config.Log.Debug("hand over leadership", "err", err)
		}
	}
	if g.fsm.dirty() {
		g.snapshot(r)
	}
}
