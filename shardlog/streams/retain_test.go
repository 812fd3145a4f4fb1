package streams_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/streams"
)

// retained runs the duty until enough holds.
func retained(t *testing.T, s *site, enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Retain(ctx) }()
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !enough() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing was given up")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func kept(t *testing.T, s *site, name shardlog.StreamName) shardlog.Shard {
	t.Helper()
	st, ok := s.Stream(name)
	if !ok {
		t.Fatal("no stream")
	}
	return st.Shards[0]
}

func TestRecordsExpireUnlessPinned(t *testing.T) {
	m := newMachine(noon, true)
	s := openSite(t, func(c *streams.Config) { c.Clock = m.clock })
	for _, name := range []shardlog.StreamName{"free", "pinned"} {
		if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: name, Shards: 1}); err != nil {
			t.Fatal(err)
		}
	}
	pin := shardlog.Mutation{Space: shardlog.Cursors, Key: shardlog.CursorKey(kept(t, s, "pinned").ID, "d"), Value: shardlog.EncodeCursor(shardlog.Cursor{Next: 1, Pinned: true})}
	if err := s.Mutate(t.Context(), pin); err != nil {
		t.Fatal(err)
	}
	for hour := range 30 { // every hour a bucket of its own
		for _, name := range []shardlog.StreamName{"free", "pinned"} {
			if _, err := s.Put(t.Context(), name, entries(fmt.Sprint(hour), 0, 1)); err != nil {
				t.Fatal(err)
			}
		}
		m.pass(61 * time.Minute)
	}
	retained(t, s, func() bool { return kept(t, s, "free").Kept > 1 && kept(t, s, "pinned").Oldest > 1 })
	if sh := kept(t, s, "free"); sh.Kept < 5 || sh.Kept > 8 {
		t.Errorf("kept from %d", sh.Kept)
	}
	if sh := kept(t, s, "pinned"); sh.Kept != 1 || sh.Oldest < 5 {
		t.Errorf("pinned stream: kept from %d, readable from %d", sh.Kept, sh.Oldest)
	}
	if got := contents(t, s, "pinned"); len(got) < 22 || len(got) > 25 {
		t.Errorf("readers see %d hours", len(got))
	}
	for g := range s.Gaps(t.Context()) {
		t.Errorf("expiry made a gap: %+v", g)
	}
}

func TestOverBudgetTheOldestGoAndAreAccountedFor(t *testing.T) {
	s := openSite(t, func(c *streams.Config) {
		c.Limits = quota.Limits{Off: true}
		c.Budget = streams.Budget{Bytes: 24 << 20, BucketBytes: 1 << 20}
	})
	if err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Retain(ctx) }()
	stored, refused := 0, 0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline) && kept(t, s, "s").Kept == 1; {
		var batch []shardlog.Entry
		for i := range 64 {
			batch = append(batch, shardlog.Entry{Key: "k", Data: random(stored*64+i, 8<<10)})
		}
		_, err := s.Put(t.Context(), "s", batch)
		switch {
		case err == nil:
			stored++
		case shardlog.KindOf(err) == shardlog.Full:
			refused++
			<-tick.C
		default:
			t.Fatal(err)
		}
	}
	for copied := false; !copied; {
		if _, ok := s.Stream(streams.GapStream); ok {
			copied = len(contents(t, s, streams.GapStream)["s"]) > 0
		}
		<-tick.C
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	sh, lost := kept(t, s, "s"), uint64(0)
	for g, err := range s.Gaps(t.Context()) {
		if err != nil || g.Reason != shardlog.OverBudget {
			t.Fatalf("%+v, %v", g, err)
		}
		lost += g.Records
	}
	if lost == 0 || lost != uint64(sh.Kept-1) {
		t.Fatalf("%d records are gone, gaps tell of %d (%d Puts refused)", sh.Kept-1, lost, refused)
	}
}

// random is data that does not compress.
func random(n, size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	source.Read(b)
	return b
}
