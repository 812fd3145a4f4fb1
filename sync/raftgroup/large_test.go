package raftgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// heavy is a journal of entries whose sizes are given.
type heavy struct {
	ledger
	sizes map[uint64]int
	read  []uint64
}

func (s *heavy) Entry(index uint64) (shardlog.JournalEntry, error) {
	s.read = append(s.read, index)
	return shardlog.JournalEntry{Index: index, Term: 3, Type: uint8(raft.LogCommand), Commands: true, Data: bytes.Repeat([]byte{2}, s.sizes[index])}, nil
}

// TestLargeEntriesAreReadOneByOne reads what a follower lacks as the engine
// does, and takes it apart into messages.
func TestLargeEntriesAreReadOneByOne(t *testing.T) {
	const mib = 1 << 20
	s := &heavy{ledger: ledger{first: 1, last: 7, applied: 7}, sizes: map[uint64]int{1: mib / 2, 2: mib, 3: mib, 4: 10 * mib, 5: 11 * mib, 6: 100, 7: 100}}
	l := &logStore{writing: make(chan struct{}, 1), journal: s, machine: s}
	var entries []*raft.Log
	held := 0
	for i := uint64(1); i <= 7; i++ {
		e := new(raft.Log)
		if err := l.GetLog(i, e); err != nil {
			t.Fatal(err)
		}
		entries, held = append(entries, e), held+len(e.Data)
	}
	if held > 3*mib {
		t.Errorf("the engine holds %d bytes of large entries", held)
	}
	if err := l.StoreLogs(entries[3:4]); err == nil {
		t.Error("an entry without its data was stored")
	}
	var got []string
	for len(entries) > 0 {
		s.read = nil
		taken, rest, err := l.part(entries)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range taken {
			if len(e.Data) != s.sizes[e.Index] {
				t.Errorf("entry %d is sent with %d bytes", e.Index, len(e.Data))
			}
		}
		got = append(got, fmt.Sprint(taken[0].Index, "-", taken[len(taken)-1].Index, " read ", s.read))
		entries = rest
	}
	want := []string{"1-2 read []", "3-3 read []", "4-4 read [4]", "5-5 read [5]", "6-7 read []"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOneCallMayBeSeveralMessages sends entries that are too much for one.
func TestOneCallMayBeSeveralMessages(t *testing.T) {
	tcp := func() *raft.NetworkTransport {
		n, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, 5*time.Second, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.CloseStreams(); n.Close() })
		return n
	}
	leader, follower := bounded{tcp(), nil}, tcp()
	large := make([]byte, largeEntry-1)
	call := raft.AppendEntriesRequest{Term: 9, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 5,
		Entries: []*raft.Log{{Index: 4, Term: 3, Data: large}, {Index: 5, Term: 4, Data: large}, {Index: 6, Term: 4, Data: large}}}
	for _, c := range []struct {
		refused uint64 // this entry, zero: none
		want    []string
	}{
		{0, []string{"4 behind 3 of 2, commit 4", "5 behind 4 of 3, commit 5", "6 behind 5 of 4, commit 5"}},
		{5, []string{"4 behind 3 of 2, commit 4", "5 behind 4 of 3, commit 5"}},
	} {
		answered := make(chan error, 1)
		resp := raft.AppendEntriesResponse{}
		go func() { answered <- leader.AppendEntries("b", follower.LocalAddr(), &call, &resp) }()
		var heard []string
		for done := false; !done; {
			select {
			case rpc := <-follower.Consumer():
				r := rpc.Command.(*raft.AppendEntriesRequest)
				heard = append(heard, fmt.Sprintf("%d behind %d of %d, commit %d", r.Entries[0].Index, r.PrevLogEntry, r.PrevLogTerm, r.LeaderCommitIndex))
				rpc.Respond(&raft.AppendEntriesResponse{Success: r.Entries[0].Index != c.refused, LastLog: r.PrevLogEntry}, nil)
			case err := <-answered:
				if err != nil || resp.Success != (c.refused == 0) {
					t.Errorf("%+v, %v", resp, err)
				}
				done = true
			}
		}
		if !slices.Equal(heard, c.want) {
			t.Errorf("heard %q, want %q", heard, c.want)
		}
	}
}

// TestASlowLinkMayTakeItsTime writes 10 MiB where a call has 10 seconds and
// the link takes 64 KiB in five; and where it takes nothing any more.
func TestASlowLinkMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := &tracked{Conn: near, layer: &streamLayer{open: map[*tracked]struct{}{}}}
		defer c.Close()
		stops := make(chan struct{})
		go func() {
			b := make([]byte, writePiece)
			for range 160 {
				if _, err := io.ReadFull(far, b); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Second)
			}
			close(stops)
		}()
		_ = c.SetDeadline(time.Now().Add(rpcTimeout))
		if n, err := c.Write(make([]byte, 10<<20)); n != 10<<20 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		<-stops
		_ = c.SetDeadline(time.Now().Add(rpcTimeout))
		began := time.Now()
		if _, err := c.Write(make([]byte, 10<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 2*rpcTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		_ = far.Close()
	})
}
