package store_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"headgate/shardlog"
)

func TestARepeatedBundleIsAppliedOnce(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	st := w.create("s", 2)
	first := w.put("s", 1, 1, "a", "b", "c")
	again := w.put("s", 1, 1, "a", "b", "c")
	if first.Err != nil || again.Err != nil {
		t.Fatalf("first %v, again %v", first.Err, again.Err)
	}
	if got, _ := w.all(st.Shards[0].ID, 10); fmt.Sprint(got) != "[a c]" {
		t.Fatalf("shard holds %v", got)
	}
	if out := w.put("s", 1, 1, "a", "b", "c", "more"); shardlog.KindOf(out.Err) != shardlog.Moved {
		t.Fatalf("a number was used twice: %v", out.Err)
	}
	report, err := w.s.Verify(context.Background(), nil)
	if err != nil || report.Blocks != 1 || report.Records != 3 {
		t.Fatalf("blocks of refused commands stay: %+v, %v", report, err)
	}
	w.s.Close()
}

// TestBundlesAreRememberedUntilTheyAreSettled applies numbers out of order, a
// Put in parts and a refused entry, and asks what became of them, also after a
// start.
func TestBundlesAreRememberedUntilTheyAreSettled(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 2)
	bundle := func(number, settled uint64, from uint32, places ...uint32) shardlog.Outcome {
		t.Helper()
		return w.append(st.Name, []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 7, Incarnation: 9, Number: number}, Settled: settled, From: from, Places: places}})
	}
	memo := func(number uint64) string {
		t.Helper()
		m, known, err := w.s.Memo(shardlog.BundleID{Gateway: 7, Incarnation: 9, Number: number})
		if err != nil {
			return shardlog.KindOf(err).String()
		}
		text := ""
		for _, e := range m.Entries {
			text += fmt.Sprintf("%d@%d ", e.Shard.Number, e.Seq)
		}
		return fmt.Sprint(known, " ", text)
	}
	check := func(number uint64, want string) {
		t.Helper()
		if got := memo(number); got != want {
			t.Errorf("bundle %d: %s, want %s", number, got, want)
		}
	}
	for _, out := range []shardlog.Outcome{bundle(5, 2, 0, 0, shardlog.NoPlace, 1, 0), bundle(3, 2, 0, 0), bundle(5, 2, 4, 1)} {
		if out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	for _, out := range []shardlog.Outcome{bundle(5, 2, 4, 1, 1), bundle(1, 1, 0, 0), bundle(6, 2, 3, 0)} {
		if shardlog.KindOf(out.Err) != shardlog.Moved {
			t.Errorf("want moved, got %v", out.Err)
		}
	}
	look := func() {
		t.Helper()
		check(5, "true 0@1 0@0 1@1 0@2 1@2 ")
		check(3, "true 0@3 ")
		check(4, "false ")
		check(1, "expired")
	}
	look()
	w.s.Close()
	at := w.at
	w = open(t, dir, nil)
	w.at = at
	look()
	if out := bundle(6, 4, 0, 0); out.Err != nil {
		t.Fatal(out.Err)
	}
	check(3, "expired")
	check(5, "true 0@1 0@0 1@1 0@2 1@2 ")
	w.s.Close()
}

func TestOriginsAreForgottenOldestFirst(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	st := w.create("s", 1)
	for n := range uint64(40) {
		if out := w.append(st.Name, []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: 1, Incarnation: n + 1, Number: 1}, Places: []uint32{0}}}); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	if w.s.LastBundle(1, 8) != 0 || w.s.LastBundle(1, 9) != 1 || w.s.LastBundle(1, 40) != 1 {
		t.Fatalf("8: %d, 9: %d, 40: %d", w.s.LastBundle(1, 8), w.s.LastBundle(1, 9), w.s.LastBundle(1, 40))
	}
	w.s.Close()
}

func TestMutationsAreAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	set := func(m ...shardlog.Mutation) error { return w.do(shardlog.Mutate{At: w.at, Mutations: m})[0].Err }
	if err := set(shardlog.Mutation{Space: "x", Key: "k1", Value: []byte("1"), Expect: shardlog.Absent()}); err != nil {
		t.Fatal(err)
	}
	value, version, err := w.s.Get(context.Background(), "x", "k1")
	if err != nil || string(value) != "1" || version == 0 {
		t.Fatalf("%q at %d, %v", value, version, err)
	}
	err = set(shardlog.Mutation{Space: "x", Key: "k2", Value: []byte("2")}, shardlog.Mutation{Space: "x", Key: "k1", Expect: shardlog.Absent()})
	if shardlog.KindOf(err) != shardlog.Conflict {
		t.Fatalf("want a conflict, got %v", err)
	}
	if _, _, err := w.s.Get(context.Background(), "x", "k2"); shardlog.KindOf(err) != shardlog.NotFound {
		t.Fatalf("half of a refused mutation happened: %v", err)
	}
	if err := set(shardlog.Mutation{Space: "x", Key: "k1", Value: []byte{}, Expect: shardlog.At(version)},
		shardlog.Mutation{Space: "x", Key: "k3", Value: []byte("3")}, shardlog.Mutation{Space: "xy", Key: "k", Value: []byte("other")}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"k1": {}, "k3": []byte("3")}
	check := func() {
		t.Helper()
		got := maps.Collect(w.s.List(context.Background(), "x", "k"))
		if !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("listed %v", got)
		}
	}
	check()
	w.s.Close()
	w = open(t, dir, nil)
	check()
	if err := set(shardlog.Mutation{Space: "x", Key: "k3"}, shardlog.Mutation{Space: "x", Key: "k0", Value: []byte("0")}); err != nil {
		t.Fatal(err)
	}
	want = map[string][]byte{"k0": []byte("0"), "k1": {}}
	got := maps.Collect(w.s.List(context.Background(), "x", ""))
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("listed %v", got)
	}
	w.s.Close()
}

func TestTrimDeletesBucketsAndAccountsForThem(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	st := w.create("s", 1)
	for n := range 40 {
		w.put("s", uint32(1+n/10), uint64(n+1), fmt.Sprint(n))
	}
	id := st.Shards[0].ID
	pin := shardlog.Mutation{Space: shardlog.Cursors, Key: shardlog.CursorKey(id, "d"), Value: shardlog.EncodeCursor(shardlog.Cursor{Next: 15, Pinned: true})}
	w.do(shardlog.Mutate{At: w.at, Mutations: []shardlog.Mutation{pin}})

	// The horizon moves: readers see less, a pinned reader still sees all.
	horizon := w.at.Add(-15 * time.Second) // records 25 to 40 are younger
	if out := w.do(shardlog.Trim{At: w.at, Stream: st.ID, Horizon: horizon}); out[0].Err != nil || len(out[0].Gaps) != 0 {
		t.Fatalf("%+v", out)
	}
	if got, gaps := w.all(id, 7); len(got) != 16 || got[0] != "24" || len(gaps) != 0 {
		t.Fatalf("readers see %v, gaps %v", got, gaps)
	}
	p, err := w.s.Read(context.Background(), id, shardlog.Cursor{Pinned: true}, shardlog.Budget{Records: 100, Bytes: 1 << 20})
	if err != nil || len(p.Records) != 40 {
		t.Fatalf("a pinned reader sees %d records, %v", len(p.Records), err)
	}

	// Expired and delivered: no gap. Pinned and not delivered: a gap.
	if out := w.do(shardlog.Trim{At: w.at, Stream: st.ID, Through: 1, Reason: shardlog.OverBudget}); len(out[0].Gaps) != 0 {
		t.Fatalf("what nobody has a claim to made gaps: %+v", out[0].Gaps)
	}
	out := w.do(shardlog.Trim{At: w.at, Stream: st.ID, Through: 2, Reason: shardlog.OverBudget})
	if g := out[0].Gaps; len(g) != 1 || g[0].First != 11 || g[0].Last != 20 || g[0].Records != 10 || g[0].Bytes == 0 {
		t.Fatalf("gaps %+v", out[0].Gaps)
	}
	w.s.Close()
	w = open(t, dir, nil)
	listed := 0
	for g, err := range w.s.Gaps(context.Background()) {
		if err != nil || g.First != 11 {
			t.Fatalf("%+v, %v", g, err)
		}
		listed++
	}
	p, err = w.s.Read(context.Background(), id, shardlog.Cursor{Next: 1, Pinned: true}, shardlog.Budget{Records: 100, Bytes: 1 << 20})
	if listed != 1 || err != nil || len(p.Records) != 20 || len(p.Gaps) != 0 {
		t.Fatalf("%d gaps listed, %d records, %v", listed, len(p.Records), err)
	}
	w.s.Close()
}

func TestDeletedStreamLeavesNothing(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	w.create("s", 2)
	w.put("s", 1, 1, "a", "b")
	if out := w.do(shardlog.DeleteStream{At: w.at, Name: "s"}); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	again := w.create("s", 2)
	if got, _ := w.all(again.Shards[0].ID, 10); len(got) != 0 {
		t.Fatalf("a new stream of that name holds %v", got)
	}
	report, _ := w.s.Verify(context.Background(), nil)
	if report.Blocks != 0 {
		t.Fatalf("%d blocks stay", report.Blocks)
	}
	w.s.Close()
}

func TestJournalTailIsCutWithItsBlocks(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	st := w.create("s", 1)
	w.put("s", 1, 1, "kept")
	j := w.s.Journal()
	// An entry of a lost leader is journalled, but never applied.
	e, err := j.Entry(w.index)
	if err != nil {
		t.Fatal(err)
	}
	e.Index++
	if err := j.Append([]shardlog.JournalEntry{e}); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.all(st.Shards[0].ID, 10); len(got) != 1 {
		t.Fatalf("readers see what is not agreed on: %v", got)
	}
	if err := j.DropTail(e.Index); err != nil || j.Last() != w.index {
		t.Fatalf("last is %d: %v", j.Last(), err)
	}
	if err := j.DropTail(w.index); shardlog.KindOf(err) != shardlog.Invalid {
		t.Fatalf("an applied entry was cut: %v", err)
	}
	w.put("s", 1, 2, "next")
	if report, _ := w.s.Verify(context.Background(), nil); report.Blocks != 2 || len(report.Missing) != 0 {
		t.Fatalf("%+v", report)
	}
	if err := j.DropHead(w.index - 1); err != nil || j.First() != w.index {
		t.Fatalf("first is %d: %v", j.First(), err)
	}
	if _, err := j.Entry(w.index - 1); shardlog.KindOf(err) != shardlog.NotFound {
		t.Fatalf("a compacted entry is still there: %v", err)
	}
	if got, _ := w.all(st.Shards[0].ID, 10); len(got) != 2 {
		t.Fatalf("compaction took records: %v", got)
	}
	w.s.Close()
}

func TestWaitReturnsAtTheNextRecord(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	st := w.create("s", 1)
	id := st.Shards[0].ID
	done := make(chan error, 1)
	go func() { done <- w.s.Wait(context.Background(), id, 1) }()
	w.put("s", 1, 1, "a")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- w.s.Wait(ctx, id, 2) }()
	cancel()
	if err := <-done; shardlog.KindOf(err) != shardlog.Unavailable {
		t.Fatal(err)
	}
	w.s.Close()
}

func TestAnOriginThatIsForgottenAndComesBackInOneEntryStays(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, nil)
	w.create("s", 1)
	of := func(incarnation, number uint64) shardlog.Bundle {
		return shardlog.Bundle{ID: shardlog.BundleID{Gateway: 7, Incarnation: incarnation, Number: number}, Places: []uint32{0}}
	}
	for incarnation := range uint64(32) {
		if out := w.append("s", []shardlog.Bundle{of(incarnation+1, 1)}); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	if out := w.append("s", []shardlog.Bundle{of(33, 1), of(1, 2)}); out.Err != nil {
		t.Fatal(out.Err)
	}
	for range 2 {
		if _, known, err := w.s.Memo(of(1, 2).ID); err != nil || !known {
			t.Fatalf("it is forgotten: %v", err)
		}
		w.s.Close()
		w = open(t, dir, nil)
	}
	w.s.Close()
}
