package downlink

import (
	"context"
	"slices"
	"time"

	"headgate/shardlog"
)

// round is one look at one group: what changes in the rows, in one command, and
// what is done here once that is agreed on.
type round struct {
	*shares
	*board
	g       *group
	changes []shardlog.Mutation
	then    []func()
}

// look takes, notes and gives up leases of a group. The caller holds tending.
func (s *shares) look(ctx context.Context, g *group) error {
	if !g.isWanted() {
		return s.dissolve(ctx, g)
	}
	if !g.entered {
		return s.enter(ctx, g)
	}
	b, err := s.board(ctx, g.name)
	if err != nil {
		return err
	}
	r := &round{shares: s, board: b, g: g}
	r.changes = s.purge(b, g)
	if p := b.present[s.follower.cfg.Gateway]; p.Group == "" || !p.Left.IsZero() || p.Lasts < g.lasting() {
		r.changes = append(r.changes, g.present(b, s.follower.cfg.Gateway))
	}
	r.lose()
	shards := r.news()
	r.progress()
	r.balance(shards)
	return r.commit(ctx)
}

func (g *group) isWanted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members) > 0
}

func (g *group) lasting() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lasts
}

func (r *round) me() uint64 { return r.follower.cfg.Gateway }

// write changes the row of a shard.
func (r *round) write(shard shardlog.ShardID, h holding) {
	key := holdingKey(r.prefix, shard)
	r.holds[shard] = h
	r.changes = slices.DeleteFunc(r.changes, func(m shardlog.Mutation) bool { return m.Key == key })
	r.changes = append(r.changes, r.change(key, h))
}

// commit makes the changes, then what follows from them.
func (r *round) commit(ctx context.Context) error {
	if len(r.changes) > 0 {
		if err := r.follower.cfg.States.Mutate(ctx, r.changes...); err != nil {
			return err
		}
	}
	for _, do := range r.then {
		do()
	}
	return nil
}

// lose drops leases that others have taken.
func (r *round) lose() {
	for shard := range r.g.leases {
		if h, noted := r.holds[shard]; !noted || h.At != r.me() {
			r.g.forget(shard)
			delete(r.g.leases, shard)
		}
	}
}

// news are the shards that the group may read now. Those that were made since
// it began get rows, those that are no more lose theirs.
func (r *round) news() (open []shardlog.Shard) {
	there := map[shardlog.ShardID]bool{}
	for _, stream := range r.g.reach() {
		newest, known := r.newest(stream.ID)
		for _, one := range stream.Shards {
			there[one.ID] = true
			if _, noted := r.holds[one.ID]; !noted && r.g.sub.Shard == "" && (!known || one.ID.Number > newest) {
				r.write(one.ID, holding{})
			}
		}
		for _, one := range stream.Shards {
			if h, noted := r.holds[one.ID]; noted && !h.Ended && r.ready(one) {
				open = append(open, one)
			}
		}
	}
	for shard := range r.holds {
		if _, exists := r.follower.cfg.Catalog.StreamByID(shard.Stream); there[shard] || exists && r.g.sub.Shard == "" && len(r.g.reach()) == 0 {
			continue
		}
		delete(r.holds, shard)
		r.changes = append(r.changes, r.change(holdingKey(r.prefix, shard), nil))
		if r.g.leases[shard] != nil {
			r.g.forget(shard)
			delete(r.g.leases, shard)
		}
	}
	return open
}

// progress notes how far the leases held here are, and gives up those that are
// to be, once members have answered what they were given.
func (r *round) progress() {
	due := time.Since(r.g.noted) >= r.follower.cfg.Lease/6
	starts := r.follower.Starts(r.g.inbox)
	for shard, l := range r.g.leases {
		first, open := r.g.inbox.open(shard)
		switch next, reads := starts[shard.Stream].At[shard.Number]; {
		case !l.leaving.IsZero():
			if late := time.Since(l.leaving) > r.follower.cfg.Lease/2; !open || late {
				if open {
					l.next = min(l.next, first)
				}
				r.write(shard, holding{Next: l.next, Done: r.g.inbox.beyond(shard, l.next)})
				r.then = append(r.then, func() { r.g.forget(shard); delete(r.g.leases, shard) })
			}
		case !open && r.g.inbox.hasEnded(shard):
			r.write(shard, holding{Next: r.holds[shard].Next, Ended: true})
			r.then = append(r.then, func() { r.g.forget(shard); delete(r.g.leases, shard); r.wake() })
		case due && reads && next != l.noted:
			r.write(shard, holding{At: r.me(), Next: next})
			r.then = append(r.then, func() { l.noted, r.g.noted = next, time.Now() })
		}
	}
}

// balance takes leases that nobody has, and begins to give up those that are
// more than the share of this gateway.
func (r *round) balance(open []shardlog.Shard) {
	holders, mine := map[shardlog.ShardID]uint64{}, []shardlog.ShardID(nil)
	leaving := 0
	for _, one := range open {
		h := r.holds[one.ID]
		if h.Ended {
			continue
		}
		l := r.g.leases[one.ID]
		switch {
		case h.At == r.me() && l == nil:
			h.At = 0 // of before a crash
		case l != nil && h.At != r.me():
			continue // it is given up in this round: whoever lacks one sees it next
		case l != nil && l.leaving.IsZero():
			mine = append(mine, one.ID)
		case l != nil:
			leaving++
		}
		holders[one.ID] = h.At
	}
	var gateways []uint64
	for gateway, p := range r.present {
		if p.Left.IsZero() && r.lives(gateway) {
			gateways = append(gateways, gateway)
		}
	}
	take, spare := share(holders, gateways, r.me())
	for _, shard := range take {
		h := r.holds[shard]
		h.At = r.me()
		r.write(shard, h)
		r.then = append(r.then, func() { r.g.adopt(shard, h) })
	}
	slices.SortFunc(mine, func(a, b shardlog.ShardID) int { return byShard(b, a) })
	for _, shard := range mine[:min(len(mine), max(0, spare-leaving))] {
		r.g.release(shard)
	}
}

// release begins to give up a lease, unless the shard was read to its end.
func (g *group) release(shard shardlog.ShardID) {
	l := g.leases[shard]
	if !l.leaving.IsZero() || g.inbox.hasEnded(shard) {
		return
	}
	l.leaving, l.next = time.Now(), l.noted
	if next, reads := g.stop(shard); reads {
		l.next = next
	}
}

// dissolve gives up what a group without members holds.
func (s *shares) dissolve(ctx context.Context, g *group) error {
	if g.entered {
		b, err := s.board(ctx, g.name)
		if err != nil {
			return err
		}
		r := &round{shares: s, board: b, g: g}
		r.lose()
		for shard, l := range g.leases {
			g.release(shard)
			h := holding{Next: l.next, Ended: l.leaving.IsZero()}
			if first, open := g.inbox.open(shard); open && (h.Ended || first < h.Next) {
				h = holding{Next: first}
			}
			h.Done = g.inbox.beyond(shard, h.Next)
			r.write(shard, h)
		}
		me := s.follower.cfg.Gateway
		p := b.present[me]
		if p.Lasts = max(p.Lasts, g.lasting()); p.Lasts > 0 {
			p.Group, p.Left = g.name, s.follower.cfg.Now()
			r.changes = append(r.changes, b.change(presenceKey(b.prefix, me), p))
		} else {
			r.changes = append(r.changes, b.change(presenceKey(b.prefix, me), nil))
		}
		if err := r.commit(ctx); err != nil {
			return err
		}
	}
	s.follower.drop(g)
	return nil
}
