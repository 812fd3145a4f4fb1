package raftgroup

import (
	"io"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func TestAFollowerHearsOfNoCommitThatItCannotCheck(t *testing.T) {
	tcp := func() *raft.NetworkTransport {
		n, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, 5*time.Second, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.CloseStreams(); n.Close() })
		return n
	}
	leader, follower := bounded{tcp(), nil}, tcp()
	entry := &raft.Log{Index: 4, Term: 3}
	for _, c := range []struct {
		sent raft.AppendEntriesRequest
		want uint64
	}{
		{raft.AppendEntriesRequest{Term: 3}, 0}, // a heartbeat
		{raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 4}, 3},
		{raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 9, Entries: []*raft.Log{entry}}, 4},
		{raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 2, Entries: []*raft.Log{entry}}, 2},
	} {
		heard := make(chan uint64, 1)
		go func() {
			rpc := <-follower.Consumer()
			heard <- rpc.Command.(*raft.AppendEntriesRequest).LeaderCommitIndex
			rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
		}()
		before := c.sent.LeaderCommitIndex
		if err := leader.AppendEntries("b", follower.LocalAddr(), &c.sent, &raft.AppendEntriesResponse{}); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != c.want || c.sent.LeaderCommitIndex != before {
			t.Errorf("%d after %d with %d entries: %d is heard, want %d", before, c.sent.PrevLogEntry, len(c.sent.Entries), got, c.want)
		}
	}
}
