package store_test

import (
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// After a pull the journal is empty and its beginning lies behind what was
// pulled, but a leader may send entries from before that.
func TestEmptyJournalBeginsAnywhere(t *testing.T) {
	for _, first := range []uint64{3, 7, 9} {
		d := store.NewCrashableDisk()
		w := open(t, "data", d)
		append := func(from, to uint64) {
			t.Helper()
			for i := from; i <= to; i++ {
				if err := w.s.Journal().Append([]shardlog.JournalEntry{{Index: i, Term: 1, Data: []byte{1}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		append(1, 6)
		if err := w.s.Journal().DropHead(6); err != nil {
			t.Fatal(err)
		}
		append(first, first+3)
		s, err := store.Open("data", store.Options{Disk: d.Crash(0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if j := s.Journal(); j.First() != first || j.Last() != first+3 {
			t.Errorf("after a crash it holds %d to %d, want %d to %d", j.First(), j.Last(), first, first+3)
		}
		for i := first; i <= first+3; i++ {
			if _, err := s.Journal().Entry(i); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A leader may send entries that a pull has gone beyond. What was given up of
// them does not come back: nothing would ever delete it.
func TestEntryThatIsAppliedBringsNoBlocks(t *testing.T) {
	d := store.NewCrashableDisk()
	w := open(t, "data", d)
	defer w.s.Close()
	w.create("s", 1)
	refused := func() shardlog.Outcome { // a number that is settled
		return w.append("s", []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 1, Incarnation: 1, Number: 1}, Settled: 1, Places: []uint32{0}}})
	}
	if out := w.append("s", []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 1, Incarnation: 1, Number: 2}, Settled: 2, Places: []uint32{0}}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	sent := []shardlog.JournalEntry{lastEntry(t, w)}
	if out := refused(); out.Err == nil {
		t.Fatal("it was not refused")
	}
	hollow := lastEntry(t, w)
	if len(hollow.Data) != 0 {
		t.Fatal("its block is there")
	}
	// What the leader still has of it.
	again := sent[0]
	again.Index = hollow.Index
	sent = append(sent, again)
	if err := w.s.Journal().DropHead(w.index); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Journal().Append(sent); err != nil {
		t.Fatal(err)
	}
	o, err := w.s.Offer()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	blocks := 0
	if err := o.Blocks(0, 0, func(store.BlockKey, int) error { blocks++; return nil }); err != nil || blocks != 1 {
		t.Errorf("%d blocks, %v, want 1", blocks, err)
	}
	if e, err := w.s.Journal().Entry(sent[0].Index); err != nil || len(e.Data) == 0 {
		t.Errorf("the entry whose block is here has %d bytes, %v", len(e.Data), err)
	}
	if e, err := w.s.Journal().Entry(hollow.Index); err != nil || len(e.Data) != 0 {
		t.Errorf("the entry whose block was given up has %d bytes, %v", len(e.Data), err)
	}
}

func lastEntry(t *testing.T, w *writer) shardlog.JournalEntry {
	t.Helper()
	e, err := w.s.Journal().Entry(w.index)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// An Append may lie in the journal when the deletion of its stream before it
// is applied.
func TestEntryBehindADeletionStaysWhole(t *testing.T) {
	w := open(t, "data", store.NewCrashableDisk())
	defer w.s.Close()
	w.create("s", 1)
	bundle := func(number uint64) []shardlog.Bundle {
		return []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 1, Incarnation: 1, Number: number}, Places: []uint32{0}}}
	}
	w.append("s", bundle(1))
	behind := lastEntry(t, w)
	deletion := shardlog.EncodeCommands(nil, []shardlog.Command{shardlog.DeleteStream{At: w.at, Name: "s"}})
	behind.Index = w.index + 2
	if err := w.s.Journal().Append([]shardlog.JournalEntry{{Index: w.index + 1, Term: 1, Commands: true, Data: deletion}, behind}); err != nil {
		t.Fatal(err)
	}
	w.index++
	w.apply(deletion)
	w.index++
	e := lastEntry(t, w)
	if len(e.Data) != len(behind.Data) {
		t.Fatalf("it has %d bytes, want %d", len(e.Data), len(behind.Data))
	}
	w.apply(e.Data)
	o, err := w.s.Offer()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Blocks(0, 0, func(k store.BlockKey, _ int) error { t.Errorf("block %v is left", k); return nil }); err != nil {
		t.Error(err)
	}
}
