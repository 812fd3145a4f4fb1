package gateway_test

import (
	"strings"
	"testing"
	"time"
)

// TestGatewaysAreRemoved takes gateways out of a site of four until one is
// left: a voter whose place another takes, one that may go only by force, the
// leader, the last. Those that went are not let in again, and say so.
func TestGatewaysAreRemoved(t *testing.T) {
	t.Parallel()
	s := grown(t, 4, "--spool-grace", "1s")
	leader, followers := s.leader()
	l := s.load("load", leader)
	l.atLeast(50)
	l.end()
	learner := followers[0]
	for _, b := range followers {
		if s.role(b) == "learner" {
			learner = b
		}
	}
	refuses(t, leader, "no member", "peers", "remove", "0123456789abcdef")
	var voters []*box
	for _, b := range followers {
		if b != learner {
			voters = append(voters, b)
		}
	}

	first, second := voters[0], voters[1]
	learner.does("peers", "remove", first.name)
	s.without(first)
	s.settled(3)
	refuses(t, second, "add one first, or force it", "peers", "remove", second.name)

	leader.does("peers", "remove", leader.name, "--force")
	s.without(leader)
	s.settled(2)

	last, others := s.leader()
	refuses(t, last, "no other voter can be reached", "peers", "remove", last.name)
	last.does("peers", "remove", others[0].name)
	s.without(others[0])
	s.settled(1)
	refuses(t, last, "no other voter can be reached", "peers", "remove", last.name, "--force")
	again := s.load("again", last)
	again.atLeast(20)
	again.end()
	seen := inOrder(t, s.alike(), nil)
	l.kept(seen)
	again.kept(seen)

	for _, b := range []*box{first, leader, others[0]} {
		saysRemoved(t, b)
	}
	first.stop()
	first.start()
	saysRemoved(t, first)
}

// without takes a box off the list of those that make up the site.
func (s *trio) without(b *box) {
	for i, o := range s.all {
		if o == b {
			s.all = append(s.all[:i:i], s.all[i+1:]...)
			return
		}
	}
}

// refuses wants a command to fail with a text, and with exit code 1.
func refuses(t *testing.T, b *box, text string, args ...string) {
	t.Helper()
	if out, code := b.headgate(args...); code != 1 || !strings.Contains(out, text) {
		t.Errorf("headgate %s ended with %d, want 1 and %q: %s", strings.Join(args, " "), code, text, out)
	}
}

// saysRemoved wants a gateway to know that it was removed, and to acknowledge
// nothing that would never reach the log.
func saysRemoved(t *testing.T, b *box) {
	t.Helper()
	until(t, 15*time.Second, "it knows that it was removed", func() (string, bool) {
		code, text := b.get("/readyz")
		return text, code == 503 && strings.Contains(text, "removed from the site")
	})
	if out := b.does("status"); !strings.Contains(out, "! removed from the site") {
		t.Errorf("status: %s", out)
	}
	token := b.device("stranger").Publish("plant/line", 1, false, "into the void")
	if token.WaitTimeout(time.Second) && token.Error() == nil {
		t.Error("a gateway that was removed acknowledges a record")
	}
}
