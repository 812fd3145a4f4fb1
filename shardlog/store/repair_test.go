package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// twins are two stores that have applied the same.
func twins(t *testing.T, n int) (a, b *writer) {
	a, b = open(t, t.TempDir(), nil), open(t, t.TempDir(), nil)
	together(a, b, n)
	b.follow(a, a.s.Applied())
	t.Cleanup(func() { a.s.Close(); b.s.Close() })
	return a, b
}

// blocks are the keys of all blocks of a store.
func blocks(t *testing.T, s *store.Store) (keys []store.BlockKey) {
	t.Helper()
	o, err := s.Offer()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Blocks(0, 0, func(k store.BlockKey, _ int) error { keys = append(keys, k); return nil }); err != nil {
		t.Fatal(err)
	}
	return keys
}

func wantHoles(t *testing.T, s *store.Store, want int) {
	t.Helper()
	if n, err := s.Holes(); n != want || err != nil {
		t.Fatalf("%d holes, want %d, %v", n, want, err)
	}
}

func TestScrubFindsAndPeersMend(t *testing.T) {
	peerStore, w := twins(t, 200)
	whole := holds(t, w.s)
	keys := blocks(t, w.s)
	for _, k := range []store.BlockKey{keys[10], keys[11], keys[len(keys)-1]} {
		if err := w.s.Spoil(k); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []store.BlockKey{keys[0], keys[12], keys[13]} {
		if err := w.s.Lose(k); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.s.Block(keys[10]); shardlog.KindOf(err) != shardlog.Corrupt {
		t.Fatal(err)
	}
	wantHoles(t, w.s, 0)
	var bad, missing int
	found := func(d store.Damage) {
		if d.Block == (store.BlockKey{}) {
			missing++
		} else {
			bad++
		}
		if d.Stream != "s" || d.Why == "" {
			t.Errorf("%+v", d)
		}
	}
	if err := w.s.ScrubRound(context.Background(), store.Scrubbing{Found: found}); err != nil {
		t.Fatal(err)
	}
	if bad != 3 || missing != 1 {
		t.Fatalf("%d bad, %d extents with missing blocks", bad, missing)
	}
	wantHoles(t, w.s, 4)
	asides, err := w.s.Asides()
	if err != nil || len(asides) != 3 || asides[0].Key != keys[10] || asides[2].Key != keys[len(keys)-1] {
		t.Fatalf("%+v, %v", asides, err)
	}

	// A peer that lacks some of it mends what it can.
	p := newPeer(peerStore.s)
	if err := peerStore.s.Spoil(keys[11]); err != nil {
		t.Fatal(err)
	}
	if n, err := w.s.RepairFrom(context.Background(), p, 0); n != 5 || err != nil {
		t.Fatalf("%d mended, %v", n, err)
	}
	wantHoles(t, w.s, 1)
	if asides, err := peerStore.s.Asides(); err != nil || len(asides) != 1 || asides[0].Key != keys[11] {
		t.Fatalf("the peer does not know of its own: %v, %v", asides, err)
	}
	// A good block of another place is refused, the right one taken.
	other, err := w.s.Block(keys[12])
	if err != nil {
		t.Fatal(err)
	}
	wrong := keys[11]
	wrong.Stream++
	if err := w.s.Repair(wrong, other); shardlog.KindOf(err) != shardlog.Corrupt {
		t.Fatal(err)
	}
	if err := peerStore.s.Spoil(keys[11]); err != nil { // once more: it is good again
		t.Fatal(err)
	}
	good, err := peerStore.s.Block(keys[11])
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s.Repair(keys[11], good); err != nil {
		t.Fatal(err)
	}
	wantHoles(t, w.s, 0)
	if holds(t, w.s) != whole {
		t.Fatal("it is not what it was")
	}
	// What turns out to be good is forgotten.
	wantHoles(t, peerStore.s, 1)
	if err := peerStore.s.ScrubRound(context.Background(), store.Scrubbing{}); err != nil {
		t.Fatal(err)
	}
	wantHoles(t, peerStore.s, 0)
}

func TestHolesGoWithTheirBucket(t *testing.T) {
	w, _ := twins(t, 150)
	keys := blocks(t, w.s)
	bad, lost := keys[3], keys[4]
	if err := errors.Join(w.s.Spoil(bad), w.s.Lose(lost)); err != nil {
		t.Fatal(err)
	}
	good := keys[5]
	sealed, err := w.s.Block(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s.ScrubRound(context.Background(), store.Scrubbing{}); err != nil {
		t.Fatal(err)
	}
	wantHoles(t, w.s, 2)
	st, _ := w.s.Stream("s")
	w.do(shardlog.Trim{At: w.at, Stream: st.ID, Through: 1})
	wantHoles(t, w.s, 0)
	if err := w.s.Repair(good, sealed); shardlog.KindOf(err) != shardlog.NotFound {
		t.Fatalf("a block that was given up came back: %v", err)
	}
}

func TestScrubGoesOnAndRound(t *testing.T) {
	w, _ := twins(t, 200)
	keys := blocks(t, w.s)
	if err := w.s.Spoil(keys[len(keys)-1]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	times := 0
	err := w.s.Scrub(ctx, store.Scrubbing{Rate: 1 << 30, Pause: 1, Found: func(store.Damage) {
		if times++; times == 3 {
			cancel()
		}
	}})
	if shardlog.KindOf(err) != shardlog.Unavailable || times != 3 {
		t.Fatalf("found %d times, %v", times, err)
	}
	text, err := w.s.Local("scrub")
	if err != nil || len(text) == 0 {
		t.Fatal(err)
	}
	// Broken off in the last extent, it goes on there: the first are not read again.
	if err := w.s.Spoil(keys[0]); err != nil {
		t.Fatal(err)
	}
	var found []string
	if err := w.s.ScrubRound(context.Background(), store.Scrubbing{Found: func(d store.Damage) { found = append(found, d.Block.String()) }}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(found) != fmt.Sprint([]store.BlockKey{keys[len(keys)-1]}) {
		t.Fatalf("found %v", found)
	}
}

// A peer with a hole is still better than none: the taker knows that it has
// the same, and another peer mends it.
func TestPullFromAPeerWithHoles(t *testing.T) {
	good, bad := twins(t, 200)
	keys := blocks(t, bad.s)
	if err := errors.Join(bad.s.Spoil(keys[20]), bad.s.Lose(keys[len(keys)-5])); err != nil {
		t.Fatal(err)
	}
	w := open(t, t.TempDir(), nil)
	defer w.s.Close()
	pull(t, w, newPeer(bad.s))
	if n, err := w.s.Holes(); n == 0 || err != nil {
		t.Fatalf("%d holes, %v", n, err)
	}
	if _, err := w.s.RepairFrom(context.Background(), newPeer(good.s), 0); err != nil {
		t.Fatal(err)
	}
	same(t, good, w)
}
