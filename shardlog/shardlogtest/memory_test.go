package shardlogtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

func TestMemory(t *testing.T) {
	shardlogtest.TestLog(t, func(*testing.T) shardlogtest.Log { return shardlogtest.NewMemory() })
}

func TestMemoryWithQuotas(t *testing.T) {
	shardlogtest.TestLog(t, func(*testing.T) shardlogtest.Log {
		m := shardlogtest.NewMemory()
		m.Quota = &quota.Limits{}
		return m
	})
}

// made is a memory with a stream of one shard.
func made(t *testing.T, m *shardlogtest.Memory) shardlog.Shard {
	t.Helper()
	if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	return shardOf(t, m, 0)
}

func shardOf(t *testing.T, m *shardlogtest.Memory, number uint32) shardlog.Shard {
	t.Helper()
	s, _ := m.Stream("s")
	sh, ok := s.Shard(number)
	if !ok {
		t.Fatalf("no shard %d", number)
	}
	return sh
}

func put(t *testing.T, m *shardlogtest.Memory, n int) []shardlog.Result {
	t.Helper()
	entries := make([]shardlog.Entry, n)
	for i := range entries {
		entries[i] = shardlog.Entry{Key: fmt.Sprint("key", i), Data: []byte("data")}
	}
	results, err := m.Put(t.Context(), "s", entries)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

var wide = shardlog.Budget{Records: 1000, Bytes: 1 << 20}

func TestHold(t *testing.T) {
	m := shardlogtest.NewMemory()
	id := made(t, m).ID
	hold := m.Hold()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { put(t, m, 1) })
	}
	if err := hold.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Records("s")); n != 0 {
		t.Fatalf("%d records while held", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	group.Go(func() {
		_, err := m.Put(ctx, "s", []shardlog.Entry{{Key: "impatient"}})
		if err == nil || shardlog.KindOf(err) != shardlog.Unknown {
			t.Errorf("%v, want Unknown", err)
		}
	})
	if err := hold.Wait(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := hold.Wait(ctx, 5); err == nil {
		t.Error("five puts are held")
	}
	hold.Release()
	group.Wait()
	page, err := m.Read(t.Context(), id, shardlog.Cursor{}, wide)
	if err != nil || len(page.Records) != 4 || page.Records[3].Key != "impatient" {
		t.Fatalf("%d records, %v", len(page.Records), err)
	}
	put(t, m, 1)
}

func TestFail(t *testing.T) {
	m := shardlogtest.NewMemory()
	made(t, m)
	broken := errors.New("broken")
	m.Fail = func(op string) error {
		if op == "put done" || op == "get" {
			return broken
		}
		return nil
	}
	if _, err := m.Put(t.Context(), "s", []shardlog.Entry{{Key: "k"}}); !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	if n := len(m.Records("s")); n != 1 {
		t.Errorf("%d records after an answer was lost, want 1", n)
	}
	if _, _, err := m.Get(t.Context(), "s", "k"); !errors.Is(err, broken) {
		t.Errorf("get: %v", err)
	}
}

func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		m.Quota = &quota.Limits{RecordsIn: 5}
		made(t, m)
		short := 0
		for _, r := range put(t, m, 8) {
			if r.Err != nil {
				short++
			}
		}
		if short != 3 {
			t.Errorf("%d of 8 are throttled, want 3", short)
		}
		entries := []shardlog.Entry{{Key: "a"}, {Key: "b"}, {Key: "c"}}
		time.Sleep(400 * time.Millisecond)
		results, err := m.Put(t.Context(), "s", entries, shardlog.Mutation{Space: "x", Key: "k", Value: []byte("v")})
		if err != nil || shardlog.KindOf(results[0].Err) != shardlog.Throttled || shardlog.KindOf(results[2].Err) != shardlog.Throttled {
			t.Errorf("with a mutation: %v, %v", results, err)
		}
		if _, _, err := m.Get(t.Context(), "x", "k"); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
			t.Errorf("the mutation: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		if results, err := m.Put(t.Context(), "s", entries); err != nil || results[2].Err != nil {
			t.Errorf("a refused put was charged: %v, %v", results, err)
		}
	})
}

func TestSplitShard(t *testing.T) {
	m := shardlogtest.NewMemory()
	parent := made(t, m)
	put(t, m, 10)
	waiting := make(chan error, 1)
	var group sync.WaitGroup
	group.Go(func() { waiting <- m.Wait(t.Context(), parent.ID, 11) })
	if err := m.SplitShard(t.Context(), parent.ID, shardlog.Hash{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("wait in a closed shard: %v", err)
	}
	group.Wait()
	page, err := m.Read(t.Context(), parent.ID, shardlog.Cursor{}, shardlog.Budget{Records: 9, Bytes: 1 << 20})
	if err != nil || page.End {
		t.Fatalf("end before the last record: %v, %v", page.End, err)
	}
	if page, err = m.Read(t.Context(), parent.ID, page.Next, wide); err != nil || !page.End || !page.Tip || len(page.Records) != 1 {
		t.Fatalf("%d records, end %v, tip %v, %v", len(page.Records), page.End, page.Tip, err)
	}
	for _, r := range put(t, m, 20) {
		if r.Shard.Number == 0 || r.Number.String() <= parent.Number(10, time.Now()).String() {
			t.Errorf("record %v lies in %v", r.Number, r.Shard)
		}
	}
	if child := shardOf(t, m, 2); child.Parent == nil || *child.Parent != 0 || child.From.Hi != 1<<63 {
		t.Errorf("child %+v", child)
	}
	if err := m.SplitShard(t.Context(), parent.ID, shardlog.Hash{Hi: 1 << 62}); err == nil || shardlog.KindOf(err) != shardlog.Moved {
		t.Errorf("split again: %v", err)
	}
}

func TestLosingThePast(t *testing.T) {
	m := shardlogtest.NewMemory()
	id := made(t, m).ID
	put(t, m, 10)
	first := func(from shardlog.Cursor) (shardlog.Seq, int) {
		t.Helper()
		page, err := m.Read(t.Context(), id, from, wide)
		if err != nil || len(page.Records) == 0 {
			t.Fatalf("%d records, %v", len(page.Records), err)
		}
		return page.Records[0].Seq, len(page.Gaps)
	}
	if err := m.Trim(id, 6); err != nil {
		t.Fatal(err)
	}
	if seq, _ := first(shardlog.Cursor{Next: 2}); seq != 6 {
		t.Errorf("before the horizon a read begins at %d, want 6", seq)
	}
	if seq, gaps := first(shardlog.Cursor{Next: 2, Pinned: true}); seq != 2 || gaps != 0 {
		t.Errorf("a pinned read begins at %d, want 2", seq)
	}
	if err := m.GiveUp(id, 4, shardlog.OverBudget); err != nil {
		t.Fatal(err)
	}
	if seq, gaps := first(shardlog.Cursor{Next: 2, Pinned: true}); seq != 4 || gaps != 1 {
		t.Errorf("a pinned read begins at %d after %d gaps, want 4 after 1", seq, gaps)
	}
	for g, err := range m.Gaps(t.Context()) {
		if err != nil || g.First != 1 || g.Last != 3 || g.Records != 3 || g.Reason != shardlog.OverBudget || g.Bytes == 0 {
			t.Errorf("gap %+v, %v", g, err)
		}
	}
	if sh := shardOf(t, m, 0); sh.Oldest != 6 || sh.Kept != 4 || sh.Next != 11 {
		t.Errorf("shard %+v", sh)
	}
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		id := made(t, m).ID
		put(t, m, 3)
		time.Sleep(23 * time.Hour)
		put(t, m, 2)
		time.Sleep(2 * time.Hour)
		page, err := m.Read(t.Context(), id, shardlog.Cursor{Next: 1}, wide)
		if err != nil || len(page.Records) != 2 || page.Records[0].Seq != 4 {
			t.Errorf("%d records, %v", len(page.Records), err)
		}
		if err := m.SetRetention(t.Context(), "s", 48*time.Hour); err != nil {
			t.Fatal(err)
		}
		if sh := shardOf(t, m, 0); sh.Oldest != 4 || sh.Kept != 1 {
			t.Errorf("a longer retention brought back: %+v", sh)
		}
	})
}
