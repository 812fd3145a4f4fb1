package peer_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/peer"
)

func TestCutAndMend(t *testing.T) {
	_, all := three(t)
	listener := all[1].RaftListener()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	raft, err := all[0].DialRaft(within(t, 10*time.Second), all[1].address)
	if err != nil {
		t.Fatal(err)
	}
	defer raft.Close()
	all[1].Cut(true)
	if !all[1].IsCut() {
		t.Error("not cut")
	}
	if _, err := raft.Read(make([]byte, 1)); err == nil {
		t.Error("the consensus still has its connection")
	}
	if _, err := all[0].DialRaft(within(t, 10*time.Second), all[1].address); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("the consensus got a new one: %v", err)
	}
	eventually(t, func() bool { return all[1].reaches(0) && all[0].reaches(1) && all[2].reaches(1) })
	for from, to := range map[*house]string{all[0]: "g1", all[1]: "g0"} {
		_, err := from.Call(within(t, 10*time.Second), to, "GET", "/", nil)
		if k := shardlog.KindOf(err); k != shardlog.Unavailable {
			t.Errorf("%s to %s: %v", from.id, to, err)
		}
	}
	eventually(t, func() bool {
		p := all[1].peer("g0")
		return p.Err != nil && strings.Contains(p.Err.Error(), "on purpose")
	})
	if _, err := all[0].Call(within(t, 10*time.Second), "g2", "GET", "/", nil); err != nil {
		t.Errorf("the two others: %v", err)
	}
	all[1].Cut(false)
	eventually(t, func() bool { return all[0].reaches(2) && all[1].reaches(2) && all[2].reaches(2) })
	if _, err := all[1].Call(within(t, 10*time.Second), "g2", "GET", "/", nil); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestConsensusGetsItsConnections(t *testing.T) {
	_, all := three(t)
	if _, err := all[0].DialRaft(within(t, 10*time.Second), all[1].address); shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(fmt.Sprint(err), "does not run") {
		t.Errorf("nobody listens: %v", err)
	}
	for range 2 { // the second time after the consensus ran and ended
		listener := all[1].RaftListener()
		if listener != all[1].RaftListener() || listener.Addr().String() != all[1].address {
			t.Error("there are two listeners")
		}
		ended := make(chan error)
		go func() {
			c, err := listener.Accept()
			if err == nil {
				_, err = io.CopyN(c, c, 5)
				c.Close()
			}
			ended <- err
		}()
		c, err := all[0].DialRaft(within(t, 10*time.Second), all[1].address)
		if err != nil {
			t.Fatal(err)
		}
		var got [5]byte
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, got[:]); err != nil || string(got[:]) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		listener.Close()
		if _, err := listener.Accept(); err == nil {
			t.Error("accepts after it was closed")
		}
	}
}

func TestClocksAndRoundTrips(t *testing.T) {
	town := newTown(t)
	founder := town.found("g0")
	at := func(ahead time.Duration, synced bool) func(*peer.Config) {
		return func(c *peer.Config) {
			c.Now = func() time.Time { return time.Now().Add(ahead) }
			c.Hello = func() peer.Hello { return peer.Hello{Synced: synced, Applied: 9} }
		}
	}
	g0 := town.build(founder, at(0, true))
	town.build(town.admit(founder, "g1"), at(time.Hour, true))
	town.build(town.admit(founder, "g2"), at(-3*time.Hour, true))
	town.build(town.admit(founder, "g3"), at(2*time.Hour, true))
	town.build(town.admit(founder, "g4"), at(900*time.Hour, false))
	eventually(t, func() bool { return g0.reaches(4) })
	offset, n := g0.Offset()
	if n != 3 || (offset-time.Hour).Abs() > time.Second {
		t.Errorf("offset %v of %d", offset, n)
	}
	p := g0.peer("g2")
	if (p.Offset+3*time.Hour).Abs() > time.Second || p.RoundTrip <= 0 || p.Least > p.RoundTrip || p.Hello.Applied != 9 || p.Contact.IsZero() || p.Since.After(p.Contact) {
		t.Errorf("known as %+v", p)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	town, all := three(t)
	if err := all[2].stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return all[0].reaches(1) })
	town.mu.Lock()
	town.members = town.members[:2]
	town.mu.Unlock()
	eventually(t, func() bool { return len(all[0].Peers()) == 1 })
	if _, err := all[2].Call(within(t, time.Second), "g0", "GET", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("after its end: %v", err)
	}
	if err := all[2].Run(context.Background()); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("ran twice: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := peer.New(peer.Config{ID: "a b"}); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("id: %v", err)
	}
	if _, err := peer.New(peer.Config{ID: "a"}); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("nothing: %v", err)
	}
}
