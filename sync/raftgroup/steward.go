package raftgroup

import (
	"context"
	"maps"
	"time"

	"headgate/shardlog"
)

// stewardPause is how often a steward looks, at most.
const stewardPause = time.Second

// Steward is the leader's duty to keep the voters odd in number, there, and
// without holes: it promotes learners, replaces voters that are away, and
// notes new addresses. Run it with Lead. It returns nil when ctx ends.
func (g *Group) Steward(ctx context.Context) error {
	s := steward{group: g, began: time.Now()}
	tick := time.NewTicker(max(min(g.beat(), stewardPause), 50*time.Millisecond))
	defer tick.Stop()
	for {
		for ctx.Err() == nil && s.once(ctx) {
			// A step taken is often half of one.
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
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
	past  [3]uint64 // what was applied at the last looks, oldest first
	looks int
}

// once decides and takes one step, and reports whether it succeeded.
func (s *steward) once(ctx context.Context) bool {
	g := s.group
	g.changing.Lock()
	defer g.changing.Unlock()
	all := g.Members()
	next := s.state().plan(all)
	if next.do == nothing {
		s.look(all)
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
	if s.looks > 0 {
		now.applied = s.past[len(s.past)-min(s.looks, len(s.past))]
	}
	return now
}

// look remembers what is applied, so that a peer whose report is a moment old
// can have caught up.
func (s *steward) look(all []Member) {
	copy(s.past[:], s.past[1:])
	s.past[len(s.past)-1] = s.group.config.Machine.Applied()
	s.looks++
	s.count(all)
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
		now: now, self: g.config.ID, address: g.config.Address, applied: g.config.Machine.Applied(),
		began: now, replaces: g.config.Replace,
	}
	if g.config.Facts != nil {
		s.facts = maps.Clone(g.config.Facts())
	}
	return s
}
