package raftgroup

import (
	"context"
	"sync"

	"headgate/shardlog"
)

// view is what this gateway knows of the leadership.
type view struct {
	reign   *reign        // ours, ready for proposals; nil while we do not lead
	leader  string        // the leader's ID, "" while there is none
	address string        // the leader's
	stopped bool          // Run has ended
	changed chan struct{} // closed when the next view replaces this one
}

// reign is one stretch of leadership.
type reign struct {
	ended chan struct{} // closed at its end
}

func (g *Group) look() view {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.view
}

func (g *Group) change(edit func(v *view)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.view.changed
	edit(&g.view)
	g.view.changed = make(chan struct{})
	close(before)
}

// Leading reports whether this gateway leads and has applied everything that
// was agreed on before.
func (g *Group) Leading() bool { return g.look().reign != nil }

// Leader is the ID of the leader, "" while none is known.
func (g *Group) Leader() string { return g.look().leader }

// LeaderAddress is where the leader was reached last, "" while none is known.
func (g *Group) LeaderAddress() string { return g.look().address }

// Changed is closed when Leading, Leader or LeaderAddress may answer something
// else than before the call.
func (g *Group) Changed() <-chan struct{} { return g.look().changed }

// Await returns when this gateway leads and has applied everything that was
// agreed on before. Kind Unavailable when ctx or the group ends first.
func (g *Group) Await(ctx context.Context) error {
	_, err := g.await(ctx)
	return err
}

func (g *Group) await(ctx context.Context) (*reign, error) {
	for {
		v := g.look()
		if v.reign != nil {
			return v.reign, nil
		}
		if v.stopped {
			return nil, g.unavailable("await leadership")
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return nil, shardlog.Errorf(shardlog.Unavailable, "await leadership", "%w", context.Cause(ctx))
		}
	}
}

// Lead runs a duty whenever this gateway leads, after everything agreed on
// before has been applied. The duty's context ends with the leadership, and
// the duty must return then, whatever its answer; when the leadership comes
// back it is run again. Lead returns what a duty answers that ends by itself,
// nil when ctx ends, and Unavailable when the group ends first.
func (g *Group) Lead(ctx context.Context, duty func(ctx context.Context) error) error {
	for {
		r, err := g.await(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.run(ctx, duty)
		select {
		case <-ctx.Done():
			return nil
		case <-r.ended:
		default:
			return err
		}
	}
}

// run runs a duty under a context that ends with the reign.
func (r *reign) run(ctx context.Context, duty func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	return duty(ctx)
}

func (g *Group) unavailable(op string) error {
	if g.broken() {
		return shardlog.Errorf(shardlog.Unavailable, op, "the group has failed: %w", g.failure)
	}
	return shardlog.Errorf(shardlog.Unavailable, op, "the group has ended")
}
