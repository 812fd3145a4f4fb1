package raftgroup_test

import (
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/raftgroup"
)

// Two of three have agreed on entries and given up their blocks, and one of
// them is lost. The other has nothing to send to the third but a snapshot, and
// to take one its engine would need the majority that it lacks.
func TestFollowerWithoutWhatWasGivenUpIsReached(t *testing.T) {
	s := newColony(t, grounds["store"])
	a := s.found()
	var others []*member
	for range 2 {
		m := s.add()
		s.start(m, reaching(&well{colony: s, self: m}))
		s.admit(m)
		others = append(others, m)
	}
	b, c := others[0], others[1]
	s.voters(a, b, c)
	eventually(t, func() bool { return everyoneVotes(b) && everyoneVotes(c) })
	s.live(c, false)
	c.wire.sever(true)
	lead := s.leader()
	var l loaders
	l.prepare(t, lead.Group, lead.store.(*disk).Store)
	for seq := range shardlog.Seq(20) {
		if o, err := lead.Propose(within(t, 10*time.Second), l.append(0, seq+1)); err != nil || o.Err != nil {
			t.Fatal(err, o.Err)
		}
	}
	if _, err := lead.Propose(within(t, 10*time.Second), shardlog.DeleteStream{At: l.at, Name: "s"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return b.store.Applied() == a.store.Applied() })
	propose(t, lead.Group, "after", 5) // which syncs what was applied before
	left := b.store.(*disk).Disk().Crash(100, 1)
	s.kill(a)
	s.kill(b)
	b.store = openDisk(t, left)
	if e, err := b.store.Entry(b.store.First() + 15); err != nil || len(e.Data) > 0 {
		t.Fatalf("the entry has %d bytes, %v", len(e.Data), err)
	}
	c.wire.sever(false)
	s.live(c, true)
	s.revive(b, reaching(&well{colony: s, self: b}), func(c *raftgroup.Config) { c.Replace = time.Hour })
	propose(t, s.leader().Group, "then", 5)
	keys := s.same()
	wantEach(t, keys, "after", 5)
	wantEach(t, keys, "then", 5)
}

// everyoneVotes reports whether a gateway knows that all three vote. One that
// does not refuses its vote to those whom it takes for learners.
func everyoneVotes(m *member) bool {
	n := 0
	for _, o := range m.Members() {
		if o.Voter {
			n++
		}
	}
	return n == 3
}
