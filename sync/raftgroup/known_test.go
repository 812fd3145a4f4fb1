package raftgroup_test

import "testing"

// TestARestartedFollowerKnowsTheLeader starts a follower again and again under
// a leader that is at work and finds it at once, before it looks for one.
func TestARestartedFollowerKnowsTheLeader(t *testing.T) {
	s := newColony(t, func(*testing.T) ground { return newMemory() })
	a, b, _ := s.trio()
	s.lead(a)
	for range 10 {
		_ = b.stop()
		s.start(b)
		eventually(t, func() bool { return b.Leader() == a.id })
	}
}
