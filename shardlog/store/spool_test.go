package store_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// spooled reads the whole spool in pieces.
func spooled(t *testing.T, sp *store.Spool, piece int) (rows []store.Row) {
	t.Helper()
	for from := uint64(0); ; {
		page, err := sp.Read(from, piece)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return rows
		}
		rows = append(rows, page...)
		from = page[len(page)-1].Seq + 1
	}
}

func spoolText(rows []store.Row) (text string) {
	for _, r := range rows {
		text += fmt.Sprintf("%d=%s ", r.Seq, r.Bytes)
	}
	return strings.TrimSpace(text)
}

func TestSpoolIsAQueueThatSurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	sp := w.s.Spool()
	if first, err := sp.Append([][]byte{[]byte("a"), {}, []byte("ccc")}); err != nil || first != 1 {
		t.Fatalf("first is %d, %v", first, err)
	}
	if first, err := sp.Append([][]byte{[]byte("dd")}); err != nil || first != 4 {
		t.Fatalf("first is %d, %v", first, err)
	}
	if got := spoolText(spooled(t, sp, 1)); got != "1=a 2= 3=ccc 4=dd" {
		t.Fatalf("spool holds %s", got)
	}
	if err := sp.Drop(2); err != nil {
		t.Fatal(err)
	}
	check := func(want store.SpoolStats, text string) {
		t.Helper()
		if got := sp.Stats(); got != want {
			t.Fatalf("stats are %+v, want %+v", got, want)
		}
		if got := spoolText(spooled(t, sp, 100)); got != text {
			t.Fatalf("spool holds %s, want %s", got, text)
		}
	}
	check(store.SpoolStats{Rows: 2, Bytes: 5, First: 3, Last: 4}, "3=ccc 4=dd")
	w.s.Close()
	w = open(t, dir, nil)
	sp = w.s.Spool()
	check(store.SpoolStats{Rows: 2, Bytes: 5, First: 3, Last: 4}, "3=ccc 4=dd")
	if err := sp.Drop(100); err != nil {
		t.Fatal(err)
	}
	check(store.SpoolStats{First: 5, Last: 4}, "")
	w.s.Close()
	w = open(t, dir, nil)
	sp = w.s.Spool()
	if first, err := sp.Append([][]byte{[]byte("e")}); err != nil || first != 5 {
		t.Fatalf("a number was given twice: %d, %v", first, err)
	}
	w.s.Close()
}

// Rows of both kinds: such as lie in a file of their own, and such as lie
// among the keys, where damage hides the keys too.
func TestSpoolPassesOverWhatItCannotRead(t *testing.T) {
	for _, c := range []struct{ name, files string }{{"value", "*.blob"}, {"key", "*.sst"}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, dir, nil)
			const rows = 3000
			for n := range rows {
				row := noise(n)[:100]
				if c.name == "value" {
					row = noise(n)
				}
				if _, err := w.s.Spool().Append([][]byte{[]byte(row)}); err != nil {
					t.Fatal(err)
				}
			}
			w.s.Close()
			flip(t, largest(t, filepath.Join(dir, "pebble", c.files)))
			w = open(t, dir, nil)
			defer w.s.Close()
			sp := w.s.Spool()
			var got []store.Row
			named := false
			for from := uint64(0); ; {
				page, err := sp.Read(from, 10_000)
				if err != nil && shardlog.KindOf(err) != shardlog.Corrupt {
					t.Fatal(err)
				}
				named = named || err != nil
				if len(page) == 0 && err == nil {
					break
				}
				if len(page) > 0 {
					from = page[len(page)-1].Seq + 1
				}
				got = append(got, page...)
			}
			if !named || len(got) == rows || len(got) < rows/2 || got[len(got)-1].Seq != rows {
				t.Fatalf("%d rows of %d, named %v", len(got), rows, named)
			}
			if page, err := sp.Read(0, 100<<20); err != nil || len(page) != len(got) {
				t.Fatalf("the same damage is told again: %d rows, %v", len(page), err)
			}
			asides, err := w.s.Asides()
			if err != nil || len(asides) != rows-len(got) {
				t.Fatalf("%d asides, %d rows lost, %v", len(asides), rows-len(got), err)
			}
			if holes, err := w.s.Holes(); holes != 0 || err != nil {
				t.Fatalf("a spool row is no hole: %d, %v", holes, err)
			}
			if err := sp.Drop(rows); err != nil || sp.Stats().Rows != 0 {
				t.Fatalf("%+v, %v", sp.Stats(), err)
			}
		})
	}
}

func largest(t *testing.T, pattern string) (name string) {
	t.Helper()
	names, _ := filepath.Glob(pattern)
	var most int64
	for _, n := range names {
		if info, err := os.Stat(n); err == nil && info.Size() > most {
			name, most = n, info.Size()
		}
	}
	if name == "" {
		t.Fatalf("no %s", pattern)
	}
	return name
}

// TestPowerCutsKeepTheSpool tells a story of appends and drops and cuts the
// power at changes all over it. What comes out must be a piece of the queue
// without holes that begins at or before what was dropped and holds all that
// was acknowledged, with counts that fit.
func TestPowerCutsKeepTheSpool(t *testing.T) {
	total := crashPoints(t)
	for seed := uint64(1); total > 0; seed++ {
		var cuts []spoolCut
		events := 0
		spoolStory(t, seed, func(*store.Disk, uint64, uint64) { events++ })
		every := max(events/40, 1)
		n := 0
		spoolStory(t, seed, func(d *store.Disk, acked, dropped uint64) {
			if n++; n%every == int(seed)%every {
				cuts = append(cuts, spoolCut{d.Crash([]int{0, 50, 100, 20}[len(cuts)%4], seed*1000+uint64(n)), acked, dropped})
			}
		})
		for _, c := range cuts {
			c.check(t)
		}
		total -= len(cuts)
	}
}

type spoolCut struct {
	disk           *store.Disk
	acked, dropped uint64 // rows
}

func spoolRow(seq uint64) []byte {
	r := rand.New(rand.NewPCG(seq, 1))
	row := make([]byte, 8+r.IntN(900))
	binary.BigEndian.PutUint64(row, seq)
	for i := 8; i < len(row); i++ {
		row[i] = byte(r.Uint32())
	}
	return row
}

func spoolStory(t *testing.T, seed uint64, at func(d *store.Disk, acked, dropped uint64)) {
	d := store.NewCrashableDisk()
	lock := make(chan struct{}, 1)
	var acked, dropped uint64
	d.Watch(func(store.Event) error {
		lock <- struct{}{}
		at(d, acked, dropped)
		<-lock
		return nil
	})
	set := func(v *uint64, to uint64) { lock <- struct{}{}; *v = to; <-lock }
	w := open(t, "data", d)
	r := rand.New(rand.NewPCG(seed, 7))
	next := uint64(1)
	for range 300 {
		if r.IntN(3) == 0 && next > 1 {
			through := dropped + r.Uint64N(next-dropped)
			set(&dropped, max(dropped, through))
			if err := w.s.Spool().Drop(through); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var rows [][]byte
		for range 1 + r.IntN(12) {
			rows = append(rows, spoolRow(next+uint64(len(rows))))
		}
		first, err := w.s.Spool().Append(rows)
		if err != nil || first != next {
			t.Fatalf("first is %d, not %d: %v", first, next, err)
		}
		next += uint64(len(rows))
		set(&acked, next-1)
	}
	w.s.Close()
}

func (c spoolCut) check(t *testing.T) {
	t.Helper()
	w := open(t, "data", c.disk)
	defer w.s.Close()
	rows := spooled(t, w.s.Spool(), 1<<20)
	if len(rows) == 0 {
		if c.acked > c.dropped {
			t.Fatalf("%d acknowledged, %d dropped, nothing is there", c.acked, c.dropped)
		}
		return
	}
	first, last := rows[0].Seq, rows[len(rows)-1].Seq
	if first > c.dropped+1 || last < c.acked {
		t.Fatalf("rows %d to %d are there, %d dropped, %d acknowledged", first, last, c.dropped, c.acked)
	}
	var bytes uint64
	for i, r := range rows {
		if r.Seq != first+uint64(i) || string(r.Bytes) != string(spoolRow(r.Seq)) {
			t.Fatalf("row %d at place %d from %d", r.Seq, i, first)
		}
		bytes += uint64(len(r.Bytes))
	}
	if st := w.s.Spool().Stats(); st != (store.SpoolStats{Rows: uint64(len(rows)), Bytes: bytes, First: first, Last: last}) {
		t.Fatalf("stats %+v of rows %d to %d, %d bytes", st, first, last, bytes)
	}
}
