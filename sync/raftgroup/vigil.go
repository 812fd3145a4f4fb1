package raftgroup

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// vigil has a voter look whether the leader is gone as soon as it has been
// silent for a heartbeat. By itself the engine looks every one to two
// heartbeats, so that up to three may pass; and a voter that has not seen it
// yet refuses its vote to one that has, so that the slowest of them counts.
// They look one after the other, by their IDs, a quarter of a heartbeat apart:
// two that stand for election at once would split the votes.
func (g *Group) vigil(ctx context.Context, r *raft.Raft) error {
	heard := time.Now()
	for ctx.Err() == nil {
		beat := r.ReloadableConfig().HeartbeatTimeout
		rank, votes := g.rank(r)
		if r.State() != raft.Follower || !votes {
			heard = time.Now()
			pause(ctx, beat/4)
			continue
		}
		if last := r.LastContact(); last.After(heard) {
			heard = last
		}
		if wait := time.Until(heard.Add(beat + time.Duration(rank)*beat/4)); wait > 0 {
			pause(ctx, wait)
			continue
		}
		g.rouse(r)
		heard = time.Now()
	}
	return nil
}

// rank is how many voters look before this one, the leader apart; false when
// it is no voter.
func (g *Group) rank(r *raft.Raft) (int, bool) {
	_, leader := r.LeaderWithID()
	voters := slices.DeleteFunc(membersOf(r), func(m Member) bool { return !m.Voter || m.ID == string(leader) })
	slices.SortFunc(voters, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	i := slices.IndexFunc(voters, func(m Member) bool { return m.ID == g.config.ID })
	return i, i >= 0
}

// rouse makes a follower look at its timer at once: to the engine, a shorter
// heartbeat is a reason to.
func (g *Group) rouse(r *raft.Raft) {
	g.hurry(r)
	_ = g.reload(r, func(c *raft.ReloadableConfig) { c.HeartbeatTimeout += time.Millisecond })
}
