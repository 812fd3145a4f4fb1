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
