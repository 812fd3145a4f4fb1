package raftgroup

import (
	"time"

	"github.com/hashicorp/raft"
)

// Stats is a snapshot of a group for metrics and health.
type Stats struct {
	Leading          bool
	Leader           string // ID, "" while none is known
	Term             uint64
	Voters, Learners int
	// LastContact is when the leader was heard of last, zero on the leader itself.
	LastContact time.Time
	// Pulling is up to which index the machine is being brought by a pull;
	// zero: none is under way.
	Pulling   uint64
	LogMemory int // bytes of entries that are kept for followers

	First, Last uint64 // of the journal
	Committed   uint64 // index
	Applied     uint64 // index of the last command applied

	Entries   uint64 // proposed here and applied
	Commands  uint64 // in them
	Failures  uint64 // entries that ended without an outcome
	Snapshots uint64

	LastCommit    time.Time // of an entry proposed here
	InFlightSince time.Time // when the entry now in flight was handed to the engine; zero: none is
}

// counters are what the engine does not count for us.
type counters struct {
	entries, commands, failures, snapshots uint64
	lastCommit, inFlightSince              time.Time
}

func (c *counters) committed(commands int, err error) {
	c.inFlightSince = time.Time{}
	if err != nil {
		c.failures++
		return
	}
	c.entries++
	c.commands += uint64(commands)
	c.lastCommit = time.Now()
}

func (g *Group) count(edit func(c *counters)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	edit(&g.counted)
}

// Stats is what the group looks like now.
func (g *Group) Stats() Stats {
	g.mu.Lock()
	c, v, r := g.counted, g.view, g.engine
	g.mu.Unlock()
	all := g.Members()
	s := Stats{
		Leading: v.reign != nil, Leader: v.leader, Term: g.Term(),
		Voters: voters(all), Learners: len(all) - voters(all),
		Pulling: g.puller.target(), LogMemory: g.logs.memory(),
		First: g.config.Journal.First(), Last: g.config.Journal.Last(), Applied: g.config.Machine.Applied(),
		Entries: c.entries, Commands: c.commands, Failures: c.failures, Snapshots: c.snapshots,
		LastCommit: c.lastCommit, InFlightSince: c.inFlightSince,
	}
	if r != nil {
		s.Committed = r.CommitIndex()
		if r.State() != raft.Leader {
			s.LastContact = r.LastContact()
		}
	}
	return s
}
