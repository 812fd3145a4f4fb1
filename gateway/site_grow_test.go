package gateway_test

import (
	"testing"
	"time"
)

// TestALoneGatewayGrowsIntoASite begins with a gateway that has records and no
// peers. It grows to four under writes that never fail; with two, writes do
// not depend on the second; the fourth takes the place of a voter that is gone.
func TestALoneGatewayGrowsIntoASite(t *testing.T) {
	t.Parallel()
	s := &trio{t: t, flags: []string{"--replace", "2s"}}
	b := s.box()
	b.process, b.down = serve(t, b.data), false
	s.id, s.secret = b.KeyID, b.SecretKey
	old := &trio{t: t, id: s.id, secret: s.secret, all: []*box{b}}
	l := old.load("old", b)
	l.atLeast(100)
	l.end()
	b.stop()

	s.add(b)
	all := s.load("growing", b)
	second := s.join(1)[0]
	s.settled(2)
	all.atLeast(20)
	second.kill()
	all.atLeast(20)
	second.start()
	s.join(1)
	s.settled(3)
	all.atLeast(20)
	fourth := s.join(1)[0]
	s.settled(4)
	if role := s.role(fourth); role != "learner" {
		t.Errorf("the fourth is a %s", role)
	}

	second.kill()
	until(t, 30*time.Second, "the fourth votes", func() (string, bool) {
		return b.does("peers"), s.role(fourth) == "voter" && s.role(second) == "learner"
	})
	all.atLeast(20)
	if _, failed := all.soFar(); len(failed) > 0 {
		t.Errorf("%d writes failed: %v", len(failed), failed[0])
	}
	second.start()
	s.settled(4)
	all.end()
	seen := inOrder(t, s.alike(), nil)
	l.kept(seen)
	all.kept(seen)
}

// role is what a gateway is in the site, as the first sees it.
func (s *trio) role(b *box) string {
	for _, m := range s.up()[0].status().Site.Members {
		if m.ID == b.name {
			return m.Role
		}
	}
	return "stranger"
}
