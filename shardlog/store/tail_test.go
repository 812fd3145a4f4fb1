package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestRotAtTheEndOfTheLogIsNoTornEnd damages a log that fits into one block,
// which Pebble would take for the end that a power cut tore.
func TestRotAtTheEndOfTheLogIsNoTornEnd(t *testing.T) {
	cases := []struct {
		name string
		harm func(log []byte, used int) []byte
		rot  bool
	}{
		{"nothing", func(log []byte, _ int) []byte { return log }, false},
		{"a bit in the middle", func(log []byte, used int) []byte { log[used/2] ^= 4; return log }, true},
		{"a bit near the end", func(log []byte, used int) []byte { log[used-800] ^= 4; return log }, true},
		{"zeroes in the middle", func(log []byte, used int) []byte { clear(log[used/2 : used/2+512]); return log }, true},
		{"torn in the middle", func(log []byte, used int) []byte { return log[:used/2] }, false},
		{"zeroes at the end", func(log []byte, used int) []byte { clear(log[used/2:]); return log }, false},
		{"the last byte", func(log []byte, used int) []byte { log[used-1] ^= 4; return log }, false},
	}
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 1)
	for n := range 40 {
		w.put("s", 1, uint64(n+1), fmt.Sprint("record ", n))
	}
	defer w.s.Close()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			to := t.TempDir() // the process dies without a word: what is in the log must do
			if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			name := newest(t, filepath.Join(to, "pebble", "*.log"))
			log, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			used := len(bytes.TrimRight(log, "\x00"))
			if used > 32<<10 {
				t.Fatalf("the log has %d bytes, more than a block", used)
			}
			if err := os.WriteFile(name, c.harm(log, used), 0o600); err != nil {
				t.Fatal(err)
			}
			w := open(t, to, nil)
			defer w.s.Close()
			if w.s.Amnesia() != c.rot || (w.s.Damage() != "") != c.rot {
				t.Errorf("amnesia %v, damage %q", w.s.Amnesia(), w.s.Damage())
			}
			got, gaps := w.all(st.Shards[0].ID, 100)
			for n, data := range got {
				if data != fmt.Sprint("record ", n) {
					t.Fatalf("record %d is %q", n, data)
				}
			}
			if len(gaps) > 0 || c.name == "nothing" && len(got) != 40 || c.rot && len(got) == 40 {
				t.Errorf("%d records, gaps %v", len(got), gaps)
			}
		})
	}
}
