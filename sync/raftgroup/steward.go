package raftgroup

import (
	"context"
	"maps"
	"slices"
	"time"

	"headgate/shardlog"
)

const (
	stewardPause = time.Second // how often a steward decides, at most
	samplePause  = 100 * time.Millisecond
	samples      = 64
)

// Steward is the leader's duty to keep the voters odd in number, there, and
// without holes: it promotes learners, replaces voters that are away, and
// notes new addresses. Run it with Lead. It returns nil when ctx ends.
func (g *Group) Steward(ctx context.Context) error {
	s := steward{group: g, began: time.Now()}
	tick := time.NewTicker(samplePause)
	defer tick.Stop()
	for next := s.began; ; {
		g.sample()
		if now := time.Now(); !now.Before(next) {
			next = now.Add(min(g.beat(), stewardPause))
			for ctx.Err() == nil && s.once(ctx) {
				// A step taken is often half of one.
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.forgetSamples()
			return nil
		}
	}
}

// steward is what one reign's steward remembers.
type steward struct {
	group *Group
	began time.Time
	even  time.Time
	held  time.Time
}

// once decides and takes one step, and reports whether it succeeded.
func (s *steward) once(ctx context.Context) bool {
	g := s.group
	done, err := g.turn(ctx)
	if err != nil {
		return false
	}
	defer done()
	all := g.Members()
	next := s.state().plan(all)
	if next.do == nothing {
		s.count(all)
		return false
	}
	if err := g.alter(ctx, next); err != nil {
		if ctx.Err() == nil && shardlog.KindOf(err) == shardlog.Invalid {
			g.config.Log.Warn("steward", "step", next.String(), "err", err)
		}
		return false
	}
	s.took(next, g.Members())
	return true
}

func (s *steward) state() state {
	now := s.group.state(time.Now())
	now.began, now.even, now.held = s.began, s.even, s.held
	return now
}

func (s *steward) took(taken step, all []Member) {
	if taken.do == demote && voters(all) == 1 {
		s.held = time.Now().Add(growthPause)
	}
	s.count(all)
}

func (s *steward) count(all []Member) {
	if voters(all)%2 != 0 {
		s.even = time.Time{}
	} else if s.even.IsZero() {
		s.even = time.Now()
	}
}

// state is what a plan goes by.
func (g *Group) state(now time.Time) state {
	s := state{
		now: now, self: g.config.ID, address: g.config.Address, past: g.sampled(),
		began: now, replaces: g.config.Replace,
	}
	if g.config.Facts != nil {
		s.facts = maps.Clone(g.config.Facts())
	}
	return s
}

// sample remembers what is applied now, so that a peer's report can be judged
// by when it was made.
func (g *Group) sample() {
	now := sample{time.Now(), g.config.Machine.Applied()}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.past = append(g.past[max(len(g.past)-samples+1, 0):], now)
}

func (g *Group) sampled() []sample {
	now := sample{time.Now(), g.config.Machine.Applied()}
	g.mu.Lock()
	defer g.mu.Unlock()
	return append(slices.Clone(g.past), now)
}

func (g *Group) forgetSamples() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.past = nil
}
