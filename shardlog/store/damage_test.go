package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"headgate/shardlog"
)

func TestDamagedLogIsCutAndTheRestServed(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 1)
	for n := range 400 {
		w.put("s", 1, uint64(n+1), fmt.Sprint("record ", n))
	}
	// The process dies without a word: what is in the log must do.
	flip(t, newest(t, filepath.Join(dir, "pebble", "*.log")))
	w2 := copyOf(t, dir)
	got, _ := w2.all(st.Shards[0].ID, 100)
	if len(got) == 0 || len(got) >= 400 || got[0] != "record 0" || got[len(got)-1] != fmt.Sprint("record ", len(got)-1) {
		t.Fatalf("read %d records", len(got))
	}
	if w2.s.Damage() == "" {
		t.Fatal("damage is not named")
	}
	asides, err := w2.s.Asides()
	if err != nil || len(asides) != 1 {
		t.Fatalf("asides %v, %v", asides, err)
	}
	w2.put("s", 1, w2.s.LastBundle(1, 1)+1, "goes on")
	w2.s.Close()
	w.s.Close()
}

func TestStoreThatCannotBeOpenedIsSetAside(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	w.create("s", 1)
	w.s.Close()
	manifest := newest(t, filepath.Join(dir, "pebble", "MANIFEST-*"))
	flip(t, manifest)
	w = open(t, dir, nil)
	if w.s.Damage() == "" || len(w.s.Streams()) != 0 {
		t.Fatalf("damage %q, streams %v", w.s.Damage(), w.s.Streams())
	}
	w.create("s", 1)
	if kept, _ := filepath.Glob(filepath.Join(dir, "lost+found", "*", "store", "MANIFEST-*")); len(kept) == 0 {
		t.Fatal("the old store is not kept")
	}
	w.s.Close()
}

// Whichever file rots, the gateway starts, and takes records.
func TestAnyFileMayRot(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	for i := range 3 {
		name := shardlog.StreamName(fmt.Sprint("s", i))
		w.create(name, 1)
		for n := range 300 {
			w.put(name, uint32(1+i), w.s.LastBundle(1, 1)+1, noise(n))
		}
	}
	w.s.Close()
	files, err := os.ReadDir(filepath.Join(dir, "pebble"))
	if err != nil {
		t.Fatal(err)
	}
	forgot := 0
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() == 0 {
			continue
		}
		rotten := t.TempDir()
		if err := os.CopyFS(rotten, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(rotten, "pebble", f.Name()))
		w := open(t, rotten, nil)
		if (w.s.Damage() != "") != w.s.Amnesia() {
			t.Errorf("%s: damage %q, amnesia %v", f.Name(), w.s.Damage(), w.s.Amnesia())
		}
		if w.s.Amnesia() {
			forgot++
		}
		w.at = stamp.Add(time.Hour)
		w.create("new", 1)
		if out := w.put("new", 10, w.s.LastBundle(1, 1)+1, "goes on"); out.Err != nil {
			t.Errorf("%s: %v", f.Name(), out.Err)
		}
		w.s.Close()
	}
	t.Logf("%d files, %d times the store forgot", len(files), forgot)
}

func TestCorruptBlockIsPassedOverAsAGap(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 1)
	w.create("other", 1)
	for n := range 1000 {
		w.put("s", 1, uint64(2*n+1), noise(n))
		w.put("other", 1, uint64(2*n+2), fmt.Sprint("other ", n))
	}
	w.s.Close()
	blobs, _ := filepath.Glob(filepath.Join(dir, "pebble", "*.blob"))
	if len(blobs) == 0 {
		t.Fatal("no blob file: blocks of this size are meant to be separated")
	}
	flip(t, blobs[0])
	w = open(t, dir, nil)
	got, gaps := w.all(st.Shards[0].ID, 50)
	var lost uint64
	for _, g := range gaps {
		lost += g.Records
	}
	if len(gaps) == 0 || uint64(len(got))+lost != 1000 {
		t.Fatalf("%d records and %d lost in %v", len(got), lost, gaps)
	}
	if len(got) == 0 || got[len(got)-1] != noise(999) || lost > 300 {
		t.Fatalf("what lies behind the damage is not read: %d records, %d lost", len(got), lost)
	}
	report, err := w.s.Verify(context.Background(), nil)
	if err != nil || len(report.Bad)+len(report.Missing) == 0 {
		t.Fatalf("verify found %+v, %v", report, err)
	}
	w.s.Close()
}

func TestVerifyOfAWholeStore(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	w.create("s", 4)
	for n := range 50 {
		w.put("s", uint32(1+n/10), uint64(n+1), "a", "b", "c", "d", "e")
	}
	var told uint64
	report, err := w.s.Verify(context.Background(), func(done, total uint64) { told = done })
	if err != nil || report.Records != 250 || report.Blocks != 50 || len(report.Bad)+len(report.Missing) != 0 || told == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	w.s.Close()
}

// TestVerifyBesideWriters: what is written while the blocks are looked at is not
// told as missing.
func TestVerifyBesideWriters(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	defer w.s.Close()
	w.create("s", 1)
	n := uint64(0)
	put := func() {
		n++
		w.put("s", 0, n, "text")
	}
	for range 70 {
		put()
	}
	report, err := w.s.Verify(t.Context(), func(done, total uint64) { put() })
	if err != nil || report.Blocks < 70 || len(report.Bad)+len(report.Missing) != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
}

// noise is a record that does not compress.
func noise(n int) string {
	b := make([]byte, 600)
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	source.Read(b)
	return string(b)
}

func newest(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return names[len(names)-1]
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x5a
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyOf opens a copy of a store folder that is still in use.
func copyOf(t *testing.T, dir string) *writer {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return open(t, to, nil)
}
