package gateway_test

import (
	"strings"
	"testing"
	"time"
)

// TestGatewaysMove gives two of three other addresses at once. They find the
// third, and the site writes the new addresses down. A code that is too old
// lets nobody in meanwhile.
func TestGatewaysMove(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	leader, followers := s.leader()
	l := s.load("load", leader)
	l.atLeast(20)
	l.end()
	for i, b := range followers {
		b.stop()
		b.flags = append(b.flags, "--peer", []string{"127.0.0.2:0", "127.0.0.3:0"}[i])
	}
	together(followers, (*box).start)
	until(t, 40*time.Second, "the new addresses are known", func() (string, bool) {
		out := leader.does("peers")
		return out, strings.Contains(out, " 127.0.0.2:") && strings.Contains(out, " 127.0.0.3:")
	})
	s.settled(3)
	again := s.load("again", s.all...)
	again.atLeast(50)
	again.end()
	seen := inOrder(t, s.alike(), nil)
	l.kept(seen)
	again.kept(seen)

	code := s.all[0].invite()
	for _, b := range s.all {
		b.shiftClock(2 * time.Hour)
	}
	leader, _ = s.leader()
	leader.does("clock", "trust")
	again = s.load("later", leader) // so that all have seen the new time
	again.atLeast(10)
	again.end()
	s.alike()
	late := s.box()
	if out, exit := late.headgate("join", code, "--peer", "127.0.0.1:0"); exit != 1 || !strings.Contains(out, "wrong, used or too old") {
		t.Errorf("an old code: %d, %s", exit, out)
	}
	late.does("join", s.all[0].invite(), "--peer", "127.0.0.1:0")
}
