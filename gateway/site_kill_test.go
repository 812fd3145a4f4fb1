package gateway_test

import (
	"testing"
	"time"
)

// TestAKilledLeaderLosesNothing kills the leader under load through all
// gateways. What was acknowledged is on the survivors, once; the dead one comes
// back and holds the same.
func TestAKilledLeaderLosesNothing(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	l := s.load("load", s.all...)
	l.atLeast(300)
	leader, _ := s.leader()
	leader.kill()
	killed := time.Now()
	l.atLeast(100) // of those that were under way, perhaps
	l.atLeast(300)
	t.Logf("failover: %v until 400 more were acknowledged", time.Since(killed))
	l.end()
	seen := inOrder(t, s.alike(), nil)
	l.kept(seen)

	leader.start()
	s.settled(3)
	again := s.load("again", leader)
	again.atLeast(50)
	again.end()
	seen = inOrder(t, s.alike(), nil)
	l.kept(seen)
	again.kept(seen)
	for _, b := range s.all {
		b.does("verify")
	}
}
