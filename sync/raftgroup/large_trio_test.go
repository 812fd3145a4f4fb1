package raftgroup_test

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"headgate/sync/raftgroup"
)

// uplink lets a gateway's connections send so many bytes a second together.
type uplink struct {
	mu   sync.Mutex
	rate int       // guarded by mu; zero: as fast as it goes
	free time.Time // guarded by mu: when what was sent is through
}

func (u *uplink) slow(rate int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rate = rate
}

// send waits until so many bytes may go.
func (u *uplink) send(bytes int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.rate == 0 {
		return
	}
	u.free = later(u.free, time.Now()).Add(time.Duration(bytes) * time.Second / time.Duration(u.rate))
	<-time.After(time.Until(u.free))
}

// slowed is a connection behind an uplink. What it takes at once is a queue
// of 64 KiB, as a modem has it.
type slowed struct {
	net.Conn
	up *uplink
}

func (c slowed) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), 64<<10)]
		c.up.send(len(piece))
		var m int
		m, err = c.Conn.Write(piece)
		n, b = n+m, b[len(piece):]
	}
	return n, err
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// TestALargeEntryCostsNoElection sends 10 MiB over uplinks of 1 MiB a second:
// twenty times the heartbeat, and longer than a call may take. Then a voter
// that was away gets several at once.
func TestALargeEntryCostsNoElection(t *testing.T) {
	const large = 10 << 20
	s := newColony(t, grounds["store"])
	s.heartbeat = time.Second
	keep := func(c *raftgroup.Config) { c.SnapshotBytes = 1 << 30 }
	up := func(m *member) *member { m.wire.up = new(uplink); return m }
	a := up(s.add())
	s.start(a, keep, func(c *raftgroup.Config) { c.Join = false })
	s.lead(a)
	b, c := up(s.add()), up(s.add())
	for _, m := range []*member{b, c} {
		s.start(m, keep)
		s.admit(m)
	}
	s.voters(a, b, c)
	for _, m := range []*member{a, b, c} {
		m.wire.up.slow(1 << 20)
	}
	leader := s.leader()
	term := leader.Stats().Term
	if _, err := leader.Propose(within(t, time.Minute), setTo("slow", large)); err != nil {
		t.Fatal(err)
	}
	all := []*member{a, b, c}
	eventually(t, func() bool {
		for _, m := range all {
			if !slices.Contains(m.store.list(), "slow") {
				return false
			}
		}
		return true
	})
	if now := s.leader(); now != leader || now.Stats().Term != term {
		t.Errorf("%s leads in term %d, it was %s in %d", now.id, now.Stats().Term, leader.id, term)
	}

	for _, m := range all {
		m.wire.up.slow(0)
	}
	away := b
	if leader == b {
		away = c
	}
	away.wire.sever(true)
	for i := range 4 {
		if _, err := leader.Propose(within(t, time.Minute), setTo(fmt.Sprint("away", i), large)); err != nil {
			t.Fatal(err)
		}
	}
	away.wire.sever(false)
	eventually(t, func() bool { return slices.Contains(away.store.list(), "away3") })
}
