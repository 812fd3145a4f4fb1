package peer

import (
	"net/netip"
	"testing"
	"time"
)

func TestGuardCountsWrongSecrets(t *testing.T) {
	var g guard
	at := time.Unix(0, 0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for i := range 5 {
		if wait, _ := g.take(at.Add(time.Duration(i)*time.Second), a); wait != 0 {
			t.Fatalf("try %d waits %v", i, wait)
		}
	}
	at = at.Add(10 * time.Second)
	if wait, _ := g.take(at, a); wait != 50*time.Second {
		t.Errorf("the sixth waits %v", wait)
	}
	_, giveBack := g.take(at, b)
	giveBack()
	if len(g.tries) != 5 {
		t.Errorf("a good secret counts: %d", len(g.tries))
	}
	for i := range 25 {
		if wait, _ := g.take(at, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})); wait != 0 {
			t.Fatalf("address %d waits %v", i, wait)
		}
	}
	if wait, _ := g.take(at, b); wait != 50*time.Second {
		t.Errorf("the 31st of all waits %v", wait)
	}
	at = at.Add(51 * time.Second)
	if wait, _ := g.take(at, a); wait != 0 {
		t.Errorf("a minute later it waits %v", wait)
	}
	if len(g.tries) > maxWrong {
		t.Errorf("remembers %d", len(g.tries))
	}
}
