package raftgroup

import (
	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// Hand gives the leadership to another voter, when this gateway has it. It
// returns when the other leads, or does not. Kinds: Unavailable, and NotFound
// for one that does not vote.
func (g *Group) Hand(id string) error {
	r := g.running()
	if r == nil || r.State() != raft.Leader {
		return g.unavailable("hand over leadership")
	}
	m, ok := find(membersOf(r), id)
	if !ok || !m.Voter {
		return shardlog.Errorf(shardlog.NotFound, "hand over leadership", "%s does not vote", id)
	}
	if err := r.LeadershipTransferToServer(raft.ServerID(m.ID), raft.ServerAddress(m.Address)).Error(); err != nil {
		return shardlog.Errorf(shardlog.Unavailable, "hand over leadership", "%w", err)
	}
	return nil
}
