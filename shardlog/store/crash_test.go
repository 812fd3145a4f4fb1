package store_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// crashPoints is how many power cuts the test makes; HEADGATE_CRASH_POINTS
// asks for more.
func crashPoints(t *testing.T) int {
	if text := os.Getenv("HEADGATE_CRASH_POINTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("HEADGATE_CRASH_POINTS: %v", err)
		}
		return n
	}
	return 150
}

// cut is a disk as a power cut left it, and what had been acknowledged before.
type cut struct {
	event store.Event
	kept  int // percent of what was not synced
	disk  *store.Disk
	acked int
}

// TestPowerCutsLoseNothingAcknowledged writes a fixed story to a disk that
// remembers what was synced, cuts the power before changes of every class,
// and holds each disk that comes out against the story: it must be the story
// up to some step, and not before the last acknowledged one.
func TestPowerCutsLoseNothingAcknowledged(t *testing.T) {
	total := crashPoints(t)
	classes := map[string]int{}
	for seed := uint64(1); total > 0; seed++ {
		events := countEvents(t, seed)
		cuts := cutPower(t, seed, events, min(total, 60))
		for _, c := range cuts {
			classes[c.event.Op]++
			c.check(t, seed)
		}
		total -= len(cuts)
	}
	for _, op := range []string{"create", "write", "sync", "sync dir", "rename", "remove"} {
		if classes[op] == 0 {
			t.Errorf("no power was cut at %q", op)
		}
	}
	t.Logf("power cuts by class: %v", classes)
}

const storySteps = 260

// largeStep is the bytes of a large record: to the test's memtable of 256 KiB
// what 12 MiB are to one of 8, so that Pebble takes its batch as a table.
const largeStep = 400 << 10

// step is the story's n-th command. Every step is one synced journal entry.
func (w *writer) step(seed uint64, n int) {
	if n == 0 {
		w.create("s", 3)
		return
	}
	st, _ := w.s.Stream("s")
	switch {
	case n%17 == 0:
		w.do(shardlog.Mutate{At: w.at, Mutations: []shardlog.Mutation{{Space: "x", Key: fmt.Sprint(n % 5), Value: []byte(fmt.Sprint(n))}}})
	case n%90 == 0:
		w.do(shardlog.Trim{At: w.at, Stream: st.ID, Through: uint32(n/60 - 1)})
	default:
		w.put("s", uint32(1+n/60), w.s.LastBundle(1, 1)+1, w.records(seed, n)...)
	}
	if n%40 == 0 {
		if err := w.s.SaveManifest(shardlog.Manifest{Applied: w.s.Applied()}); err != nil {
			w.t.Error(err)
		}
		if err := w.s.Journal().DropHead(w.s.Applied() - 5); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *writer) records(seed uint64, n int) []string {
	if n%50 == 25 {
		return []string{fmt.Sprint(n, " ", strings.Repeat(noise(n), largeStep/600)), fmt.Sprint(n, " beside it")}
	}
	var all []string
	for i := range 1 + (n+int(seed))%4 {
		all = append(all, fmt.Sprint(n, "/", i, " ", noise(n*7 + i)[:200+n%400]))
	}
	return all
}

// cutPower tells the story once more and cuts at points spread over all
// classes of change. A cut is a copy of the disk: the story goes on.
func cutPower(t *testing.T, seed uint64, events map[string]int, want int) []cut {
	points := map[string]map[int]bool{}
	ops := slices.Sorted(maps.Keys(events))
	for i := range want {
		op := ops[i%len(ops)]
		if points[op] == nil {
			points[op] = map[int]bool{}
		}
		points[op][(i/len(ops)*7919+int(seed)*31)%events[op]] = true
	}
	var cuts []cut
	var acked atomic.Int64
	acked.Store(-1)
	seen := map[string]int{}
	tell(t, seed, &acked, func(d *store.Disk, e store.Event) {
		n := seen[e.Op]
		seen[e.Op]++
		if points[e.Op][n] {
			kept := []int{0, 50, 100, 20}[len(cuts)%4]
			c := cut{event: e, kept: kept, acked: int(acked.Load())}
			c.disk = d.Crash(kept, seed*1000+uint64(len(cuts)))
			cuts = append(cuts, c)
		}
	})
	return cuts
}

func countEvents(t *testing.T, seed uint64) map[string]int {
	events := map[string]int{}
	var acked atomic.Int64
	tell(t, seed, &acked, func(_ *store.Disk, e store.Event) { events[e.Op]++ })
	return events
}

// tell tells the whole story on a fresh disk.
func tell(t *testing.T, seed uint64, acked *atomic.Int64, at func(*store.Disk, store.Event)) {
	d := store.NewCrashableDisk()
	lock := make(chan struct{}, 1)
	d.Watch(func(e store.Event) error {
		lock <- struct{}{}
		at(d, e)
		<-lock
		return nil
	})
	w := open(t, "data", d)
	for n := range storySteps {
		w.step(seed, n)
		acked.Store(int64(n))
	}
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// check opens what the power cut left and holds it against the story.
func (c cut) check(t *testing.T, seed uint64) {
	t.Helper()
	t.Logf("seed %d, cut at %v keeping %d %%, %d steps acknowledged", seed, c.event, c.kept, c.acked)
	w := open(t, "data", c.disk)
	defer w.s.Close()
	if w.s.Damage() != "" {
		t.Fatalf("seed %d, cut at %v keeping %d %%: a power cut is not damage: %s", seed, c.event, c.kept, w.s.Damage())
	}
	told := int(w.s.Applied()) - 1 // one entry a step
	if told < c.acked || told >= storySteps {
		t.Fatalf("seed %d, cut at %v keeping %d %%: %d steps were acknowledged, %d are there", seed, c.event, c.kept, c.acked, told)
	}
	want := open(t, "data", store.NewCrashableDisk())
	defer want.s.Close()
	for n := range told + 1 {
		want.step(seed, n)
	}
	if a, b := w.tellAll(), want.tellAll(); a != b {
		t.Fatalf("seed %d, cut at %v keeping %d %%, step %d: the store tells\n%.2000s\nand the story is\n%.2000s", seed, c.event, c.kept, told, a, b)
	}
}

// tellAll is everything a user could see of the store.
func (w *writer) tellAll() string {
	var text string
	st, ok := w.s.Stream("s")
	if !ok {
		return "no stream"
	}
	for _, sh := range st.Shards {
		text += fmt.Sprintf("%s kept %d next %d:", sh.ID, sh.Kept, sh.Next)
		at := shardlog.Cursor{Pinned: true}
		for {
			p, err := w.s.Read(context.Background(), sh.ID, at, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
			if err != nil {
				w.t.Fatal(err)
			}
			for _, r := range p.Records {
				text += fmt.Sprintf(" %d@%d=%.12q of %d %08x", r.Seq, r.Arrived.Unix(), r.Data, len(r.Data), crc32.ChecksumIEEE(r.Data))
			}
			text += fmt.Sprint(p.Gaps)
			if at = p.Next; p.Tip {
				break
			}
		}
		text += "\n"
	}
	for k, v := range w.s.List(context.Background(), "x", "") {
		text += fmt.Sprintf("%s=%s ", k, v)
	}
	return text + fmt.Sprint(w.s.LastBundle(1, 1))
}
