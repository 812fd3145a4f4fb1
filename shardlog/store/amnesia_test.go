package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

func TestAmnesiaOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	w.create("s", 1)
	for n := range 400 {
		w.put("s", 1, uint64(n+1), fmt.Sprint("record ", n))
	}
	if w.s.Amnesia() {
		t.Fatal("nothing was forgotten")
	}
	spool := w.s.Spool()
	if _, err := spool.Append([][]byte{[]byte("later")}); err != nil {
		t.Fatal(err)
	}
	flip(t, newest(t, filepath.Join(dir, "pebble", "*.log")))
	w.s.Close() // it does not see that the log rotted, and flushes nothing
	for range 2 {
		w = open(t, dir, nil)
		if !w.s.Amnesia() {
			t.Fatal("it forgot that it forgot")
		}
		w.s.Close()
	}
	w = open(t, dir, nil)
	if err := w.s.EndAmnesia(); err != nil || w.s.Amnesia() {
		t.Fatal(err)
	}
	w.s.Close()
	w = open(t, dir, nil)
	defer w.s.Close()
	if w.s.Amnesia() || w.s.Damage() != "" {
		t.Fatalf("amnesia %v, damage %q", w.s.Amnesia(), w.s.Damage())
	}
}

// The power goes before every change that a salvage makes: what it lost is
// known whenever it ends.
func TestPowerCutsInASalvage(t *testing.T) {
	story := store.NewCrashableDisk()
	w := open(t, "data", story)
	w.create("s", 1)
	for n := range 100 {
		w.put("s", 1, uint64(n+1), noise(n))
	}
	rotten := story.Crash(100, 1)
	if err := rotten.Rot("data/pebble"); err != nil {
		t.Fatal(err)
	}
	w.s.Close()
	var cuts []*store.Disk
	d := rotten.Crash(100, 1)
	lock := make(chan struct{}, 1)
	d.Watch(func(e store.Event) error {
		lock <- struct{}{}
		cuts = append(cuts, d.Crash([]int{0, 100, 50}[len(cuts)%3], uint64(len(cuts))))
		<-lock
		return nil
	})
	w = open(t, "data", d)
	if !w.s.Amnesia() || w.s.Damage() == "" || w.s.Applied() == 0 {
		t.Fatalf("damage %q, applied %d", w.s.Damage(), w.s.Applied())
	}
	w.s.Close()
	for i, c := range cuts {
		w := open(t, "data", c)
		if !w.s.Amnesia() {
			t.Fatalf("cut %d of %d: what was lost is not known", i, len(cuts))
		}
		w.s.Close()
	}
	t.Logf("%d cuts", len(cuts))
}

func TestSetAsideAndTakeTheSpoolOver(t *testing.T) {
	disk := store.NewCrashableDisk()
	w := open(t, "data", disk)
	w.create("s", 1)
	w.put("s", 1, 1, "a")
	for n := range 5000 {
		if n%100 == 0 {
			if _, err := w.s.Spool().Append([][]byte{[]byte(noise(n)), fmt.Append(nil, "row ", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.s.Spool().Drop(10); err != nil {
		t.Fatal(err)
	}
	want := spooled(t, w.s.Spool(), 1<<20)
	if _, err := store.SetAside("data", disk); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Fatalf("an open store was moved: %v", err)
	}
	w.s.Close()
	to, err := store.SetAside("data", disk)
	if err != nil || to == "" {
		t.Fatalf("%q, %v", to, err)
	}
	disk = disk.Crash(0, 1)
	if again, err := store.SetAside("data", disk); again != "" || err != nil {
		t.Fatalf("%q, %v", again, err)
	}
	w = open(t, "data", disk)
	defer w.s.Close()
	if w.s.Applied() != 0 || w.s.Amnesia() || w.s.Damage() != "" {
		t.Fatalf("applied %d, amnesia %v, damage %q", w.s.Applied(), w.s.Amnesia(), w.s.Damage())
	}
	for i := range 2 {
		n, err := w.s.AdoptSpools()
		if err != nil || n != len(want)*(1-i) {
			t.Fatalf("%d rows, %v", n, err)
		}
	}
	if n, err := w.s.AdoptSpool(to); n != 0 || err != nil {
		t.Fatalf("%d rows came twice, %v", n, err)
	}
	got := spooled(t, w.s.Spool(), 1<<20)
	if len(got) != len(want) {
		t.Fatalf("%d rows of %d", len(got), len(want))
	}
	for i := range got {
		if string(got[i].Bytes) != string(want[i].Bytes) || got[i].Seq != uint64(i+1) {
			t.Fatalf("row %d differs", i)
		}
	}
}

// A store whose state rotted is set aside by Open itself; its spool comes too,
// also when the new one is set aside before it was taken over.
func TestSpoolOfAStoreWhoseStateRotted(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	for n := range 300 {
		w.create(shardlog.StreamName(fmt.Sprint("s", n)), 8)
	}
	if _, err := w.s.Spool().Append([][]byte{[]byte("row")}); err != nil {
		t.Fatal(err)
	}
	w.s.Close()
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, table := range tables {
		rotten := t.TempDir()
		if err := os.CopyFS(rotten, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(rotten, "pebble", filepath.Base(table)))
		w := open(t, rotten, nil)
		forgot := w.s.Amnesia()
		if w.s.Close(); !forgot {
			continue // not one of the state
		}
		tried++
		if _, err := store.SetAside(rotten, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w = open(t, rotten, nil)
			if _, err := w.s.AdoptSpools(); err != nil {
				t.Fatal(err)
			}
			if rows := spooled(t, w.s.Spool(), 100); len(rows) != 1 || string(rows[0].Bytes) != "row" {
				t.Fatalf("spool holds %s", spoolText(rows))
			}
			w.s.Close()
		}
	}
	if tried == 0 {
		t.Fatalf("no table of %d holds state", len(tables))
	}
}
