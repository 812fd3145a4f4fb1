package store_test

import (
	"context"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/store"
)

// A follower that has pulled is sent what lies between the snapshot and where
// the pull ended as well: the engine knows of the snapshot alone.
func TestEntriesBeforeTheEndOfAPullBringBackNothing(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	s := leader.create("s", 1)
	leader.put("s", 1, 1, "a", "b")
	var b block.Builder
	b.Add(0, shardlog.Entry{Key: "key", Data: []byte("too late")})
	sealed, err := b.Seal(block.Head{Stream: s.ID, At: leader.at}, func(uint32) shardlog.Seq { return 1 })
	if err != nil {
		t.Fatal(err)
	}
	refused := shardlog.Append{At: leader.at, Bucket: 1, Blocks: []shardlog.SealedBlock{{Stream: s.ID, Class: s.Class, Bytes: sealed}}}
	if out := leader.do(refused); out[0].Err == nil {
		t.Fatal("a block that does not go on where its shard ends was taken")
	}
	entry := shardlog.JournalEntry{Index: leader.index, Term: 1, Commands: true, At: leader.at, Data: shardlog.EncodeCommands(nil, []shardlog.Command{refused})}
	leader.put("s", 1, 2, "c")

	follower := open(t, t.TempDir(), nil)
	defer follower.s.Close()
	pull(t, follower, newPeer(leader.s))
	if err := follower.s.Journal().Append([]shardlog.JournalEntry{entry}); err != nil {
		t.Fatal(err)
	}
	if err := follower.s.ScrubRound(context.Background(), store.Scrubbing{}); err != nil {
		t.Fatal(err)
	}
	same(t, leader, follower)
	if e, err := follower.s.Journal().Entry(entry.Index); err != nil || len(e.Data) != 0 {
		t.Errorf("an entry without its block is not hollow: %d bytes, %v", len(e.Data), err)
	}
}

func TestAJournalThatBeginsBeforeTheEndOfAPullIsFoundAgain(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	leader.create("s", 1)
	var sent []shardlog.JournalEntry
	for n := range uint64(5) {
		leader.put("s", 1, n+1, "a")
		e, err := leader.s.Journal().Entry(leader.index)
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, e)
	}
	dir := t.TempDir()
	follower := open(t, dir, nil)
	pull(t, follower, newPeer(leader.s))
	for _, e := range sent[2:] { // behind a snapshot of the third
		if err := follower.s.Journal().Append([]shardlog.JournalEntry{e}); err != nil {
			t.Fatal(err)
		}
	}
	first, last := follower.s.Journal().First(), follower.s.Journal().Last()
	follower.s.Close()
	follower = open(t, dir, nil)
	defer follower.s.Close()
	if j := follower.s.Journal(); j.First() != first || j.Last() != last || first != sent[2].Index {
		t.Fatalf("the journal went from %d to %d, and goes from %d to %d", first, last, j.First(), j.Last())
	}
	same(t, leader, follower)
}
