package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/store"
)

// writer drives a store as a leader alone would: journal, then apply.
type writer struct {
	t     *testing.T
	s     *store.Store
	index uint64
	at    time.Time
}

// stamp is when every story begins.
var stamp = time.UnixMilli(1_764_000_000_000).UTC()

func open(t *testing.T, dir string, d *store.Disk) *writer {
	t.Helper()
	s, err := store.Open(dir, store.Options{Disk: d, Memtable: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, s: s, at: stamp}
	j := s.Journal()
	for w.index = s.Applied(); w.index < j.Last(); {
		w.index++
		e, err := j.Entry(w.index)
		if err != nil {
			t.Fatal(err)
		}
		w.apply(e.Data)
	}
	return w
}

func (w *writer) do(c ...shardlog.Command) []shardlog.Outcome {
	w.t.Helper()
	data := shardlog.EncodeCommands(nil, c)
	w.index++
	err := w.s.Journal().Append([]shardlog.JournalEntry{{Index: w.index, Term: 1, Commands: true, Data: data, At: w.at}})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.apply(data)
}

func (w *writer) apply(data []byte) []shardlog.Outcome {
	w.t.Helper()
	c, err := shardlog.DecodeCommands(data)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.s.Apply(w.index, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// put appends one block with a record for each key, shard by key number.
func (w *writer) put(name shardlog.StreamName, bucket uint32, number uint64, records ...string) shardlog.Outcome {
	w.t.Helper()
	st, _ := w.s.Stream(name)
	var b block.Builder
	var places []uint32
	for i, r := range records {
		shard := uint32(i % len(st.Shards))
		places = append(places, uint32(b.Add(shard, shardlog.Entry{Key: fmt.Sprint("key", shard), Data: []byte(r)})))
	}
	w.at = w.at.Add(time.Second)
	sealed, err := b.Seal(block.Head{Stream: st.ID, At: w.at}, func(shard uint32) shardlog.Seq {
		sh, _ := st.Shard(shard)
		return sh.Next
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(shardlog.Append{At: w.at, Bucket: bucket,
		Bundles: []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 1, Incarnation: 1, Number: number}, Places: places}},
		Blocks:  []shardlog.SealedBlock{{Stream: st.ID, Class: st.Class, Bytes: sealed}}})[0]
}

// append appends one block that holds a record for each place, in shard of
// the place's number.
func (w *writer) append(name shardlog.StreamName, bundles []shardlog.Bundle) shardlog.Outcome {
	w.t.Helper()
	st, _ := w.s.Stream(name)
	var b block.Builder
	for i := range bundles {
		for j, p := range bundles[i].Places {
			if p != shardlog.NoPlace {
				bundles[i].Places[j] = uint32(b.Add(p, shardlog.Entry{Key: "key", Data: []byte("data")}))
			}
		}
	}
	w.at = w.at.Add(time.Second)
	sealed, err := b.Seal(block.Head{Stream: st.ID, At: w.at}, func(shard uint32) shardlog.Seq {
		sh, _ := st.Shard(shard)
		return sh.Next
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(shardlog.Append{At: w.at, Bucket: 1, Bundles: bundles,
		Blocks: []shardlog.SealedBlock{{Stream: st.ID, Class: st.Class, Bytes: sealed}}})[0]
}

func (w *writer) create(name shardlog.StreamName, shards int) shardlog.Stream {
	w.t.Helper()
	out := w.do(shardlog.CreateStream{At: w.at, Spec: shardlog.StreamSpec{Name: name, Shards: shards, Retention: shardlog.DefaultRetention, Class: shardlog.Telemetry}})
	if out[0].Err != nil {
		w.t.Fatal(out[0].Err)
	}
	return out[0].Made
}

// all reads a shard from its horizon, page by page.
func (w *writer) all(id shardlog.ShardID, page int) (data []string, gaps []shardlog.Gap) {
	w.t.Helper()
	var at shardlog.Cursor
	for {
		p, err := w.s.Read(context.Background(), id, at, shardlog.Budget{Records: page, Bytes: 1 << 20})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range p.Records {
			data = append(data, string(r.Data))
		}
		gaps = append(gaps, p.Gaps...)
		if at = p.Next; p.Tip {
			return data, gaps
		}
	}
}

func TestRecordsAreReadInOrderAfterReopening(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 3)
	var want [3][]string
	for n := range 700 {
		records := []string{fmt.Sprint(n, "-a"), fmt.Sprint(n, "-b"), fmt.Sprint(n, "-c"), fmt.Sprint(n, "-d")}
		if out := w.put("s", uint32(1+n/100), uint64(n+1), records...); out.Err != nil {
			t.Fatal(out.Err)
		}
		for i, r := range records {
			want[i%3] = append(want[i%3], r)
		}
	}
	check := func(w *writer) {
		t.Helper()
		for i, sh := range st.Shards {
			got, gaps := w.all(sh.ID, 97)
			if fmt.Sprint(got) != fmt.Sprint(want[i]) || len(gaps) > 0 {
				t.Fatalf("shard %d: %d records, want %d, gaps %v", i, len(got), len(want[i]), gaps)
			}
		}
	}
	check(w)
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w = open(t, dir, nil)
	check(w)
	if w.s.LastBundle(1, 1) != 700 {
		t.Fatalf("last bundle is %d", w.s.LastBundle(1, 1))
	}
	cursor, err := w.s.Seek(context.Background(), st.Shards[1].ID, w.s.Tail().Stamp.Add(-99*time.Second))
	if err != nil || cursor.Next != 601 {
		t.Fatalf("seek found %v, %v", cursor, err)
	}
	w.s.Close()
}
