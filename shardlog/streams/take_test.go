package streams_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
	"headgate/shardlog/streams"
)

// taking is a site all of whose Puts are numbered, each handed in twice.
type taking struct {
	*site
	last atomic.Uint64
}

func (s *taking) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	n := shardlog.Numbered{ID: shardlog.BundleID{Gateway: 9, Incarnation: 1, Number: s.last.Add(1)}, Settled: 1, Stream: name, Entries: entries, With: with}
	var again sync.WaitGroup
	again.Go(func() { _, _ = s.Take(ctx, n) })
	defer again.Wait()
	taken, err := s.Take(ctx, n)
	return taken.Results, err
}

func TestTakeIsALogEvenWhenEverythingComesTwice(t *testing.T) {
	shardlogtest.TestLog(t, func(t *testing.T) shardlogtest.Log { return &taking{site: openSite(t, nil)} })
}

// bundle is a Put of a gateway that is not this one.
func bundle(number uint64, entries ...shardlog.Entry) shardlog.Numbered {
	return shardlog.Numbered{ID: shardlog.BundleID{Gateway: 9, Incarnation: 1, Number: number}, Settled: 1, Stream: "a", Entries: entries}
}

func createA(t *testing.T, s *site, shards int) {
	t.Helper()
	if err := s.CreateStream(context.Background(), shardlog.StreamSpec{Name: "a", Shards: shards}); err != nil {
		t.Fatal(err)
	}
}

func TestANumberIsStoredOnceAcrossLeadersAndStarts(t *testing.T) {
	dir := t.TempDir()
	s, shut := openSiteAt(t, dir, nil)
	createA(t, s, 2)
	fate := errors.New("the leader is gone")
	n := bundle(5, entries("x", "y", "z")...)
	lost := true
	s.proposer.before = func(c shardlog.Command) (bool, error) {
		if _, ok := c.(shardlog.Append); ok && lost {
			return true, shardlog.Errorf(shardlog.Unknown, "propose", "%w", fate)
		}
		return true, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, func() { cancel(); s.stop() })
	if _, err := s.Take(ctx, n); err == nil || shardlog.KindOf(err) != shardlog.Unknown {
		t.Fatalf("want an unknown outcome, got %v", err)
	}
	shut()
	s, shut = openSiteAt(t, dir, nil)
	defer shut()
	first, err := s.Take(context.Background(), n)
	for err != nil && shardlog.KindOf(err) == shardlog.Unavailable { // Run has just begun
		first, err = s.Take(context.Background(), n)
	}
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Take(context.Background(), n)
	if err != nil || fmt.Sprint(first.Results) != fmt.Sprint(second.Results) || first.Index == 0 {
		t.Fatalf("first %v, second %v, %v", first, second, err)
	}
	for i, r := range first.Results {
		if r.Err != nil || r.Number.Index != 1 && r.Number.Index != 2 && r.Number.Index != 3 {
			t.Errorf("entry %d: %+v", i, r)
		}
	}
	if got := contents(t, s, "a"); len(got["x"])+len(got["y"])+len(got["z"]) != 3 {
		t.Fatalf("the log holds %v", got)
	}
}

// A command whose outcome was not known is proposed again; meanwhile another
// leader has taken the same Put, at another place. The answer is that place.
func TestARepetitionIsAnsweredWithThePlaceThatItHas(t *testing.T) {
	s := openSite(t, noQuota)
	createA(t, s, 1)
	other := streamsOver(t, s)
	n, before := bundle(5, entries("x")...), s.proposer.before
	first := true
	s.proposer.before = func(c shardlog.Command) (bool, error) {
		if a, ok := c.(shardlog.Append); !ok || len(a.Blocks) == 0 || !first {
			return true, nil
		}
		first = false
		s.proposer.before = before
		s.proposer.mu.Unlock()
		defer s.proposer.mu.Lock()
		for _, m := range []shardlog.Numbered{bundle(4, entries("y", "z")...), n} {
			if _, err := other.Take(context.Background(), m); err != nil {
				t.Error(err)
			}
		}
		return false, shardlog.Errorf(shardlog.Unknown, "propose", "the leadership was lost")
	}
	taken, err := s.Take(context.Background(), n)
	if err != nil || taken.Results[0].Err != nil || taken.Results[0].Number.Index != 3 {
		t.Fatalf("%+v, %v: want the third place", taken, err)
	}
	if got := contents(t, s, "a"); len(got["x"]) != 1 {
		t.Fatalf("the log holds %v", got)
	}
}

// streamsOver runs another gateway's write path over the site's store.
func streamsOver(t *testing.T, s *site) *streams.Log {
	t.Helper()
	l, err := streams.New(streams.Config{Gateway: 3, Incarnation: 4, Proposer: s.proposer, Catalog: s.Store, States: s.Store, Ground: s.Store, Gaps: s.Store,
		SyncsPerSecond: 1000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run(context.Background(), l))
	for !l.Stats().Leading {
		runtime.Gosched()
	}
	return l
}

func TestAPutInPartsGoesOnWhereItStopped(t *testing.T) {
	s := openSite(t, noQuota)
	createA(t, s, 1)
	var parts atomic.Int32
	s.proposer.before = func(c shardlog.Command) (bool, error) {
		if a, ok := c.(shardlog.Append); ok && len(a.Blocks) > 0 && parts.Add(1) == 2 {
			return false, shardlog.Errorf(shardlog.Internal, "propose", "no")
		}
		return true, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	all := many(30, 100<<10) // three commands
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := s.Take(ctx, bundle(1, all...))
	if err == nil {
		t.Log("all of it went through at once") // the proposer is asked again until it knows
	}
	s.proposer.before = nil
	taken, err := s.Take(context.Background(), bundle(1, all...))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range taken.Results {
		if r.Err != nil || r.Number.Index != shardlog.Seq(i+1) {
			t.Fatalf("entry %d: %+v", i, r)
		}
	}
}

func TestWhatWasRefusedStaysRefusedUnderItsNumber(t *testing.T) {
	s := openSite(t, func(c *streams.Config) { c.Limits = quota.Limits{RecordsIn: 2, BytesIn: 1 << 20} })
	createA(t, s, 1)
	all := entries("x", "y", "z")
	first, err := s.Take(context.Background(), bundle(1, all...))
	if err != nil || shardlog.KindOf(first.Results[2].Err) != shardlog.Throttled {
		t.Fatalf("%v, %v", first, err)
	}
	again, err := s.Take(context.Background(), bundle(1, all...))
	if err != nil || again.Results[0] != first.Results[0] || shardlog.KindOf(again.Results[2].Err) != shardlog.Unavailable {
		t.Fatalf("%v, %v", again, err)
	}
	drained := bundle(2, entries("x", "y", "z", "w")...)
	drained.Drained, drained.Settled = true, 2
	taken, err := s.Take(context.Background(), drained)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range taken.Results {
		if r.Err != nil {
			t.Errorf("entry %d of a spool: %v", i, r.Err)
		}
	}
	if _, err := s.Take(context.Background(), bundle(1, all...)); err == nil || shardlog.KindOf(err) != shardlog.Expired {
		t.Fatalf("a settled number: %v", err)
	}
}

func TestWhoDoesNotLeadTakesNothing(t *testing.T) {
	s := openSite(t, nil)
	createA(t, s, 1)
	s.stop()
	if _, err := s.Take(context.Background(), bundle(1, entries("x")...)); err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
		t.Fatalf("taken without leading: %v", err)
	}
}

func TestWhoJoinedAPutIsToldOnlyWhatIsStored(t *testing.T) {
	inBubble(t, 50*time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		all := many(30, 100<<10) // three commands
		ctx, leave := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() { _, _ = l.Take(ctx, bundle(1, all...)) })
		time.Sleep(20 * time.Millisecond) // the first of them is under way
		var second sync.WaitGroup
		var joined shardlog.Taken
		var err error
		second.Go(func() { joined, err = l.Take(t.Context(), bundle(1, all...)) })
		synctest.Wait()
		leave() // before the others are
		first.Wait()
		second.Wait()
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, r := range joined.Results {
			if r.Err == nil {
				told++
			}
		}
		if stored := m.count(); told != stored {
			t.Fatalf("%d entries are acknowledged, %d are stored", told, stored)
		}
		again, err := l.Take(t.Context(), bundle(1, all...))
		check(t, m, all, again.Results, err)
	})
}

// What a spool has acknowledged is stored, though the stream takes less by now.
func TestDrainedEntriesMayBeLarger(t *testing.T) {
	s := openSite(t, nil)
	createA(t, s, 1)
	n := bundle(1, shardlog.Entry{Key: "k", Data: noise(1, shardlog.MaxRecordBytes-1)})
	for _, drained := range []bool{false, true} {
		n.Drained = drained
		n.ID.Number++
		taken, err := s.Take(context.Background(), n)
		for err != nil && shardlog.KindOf(err) == shardlog.Unavailable { // Run has just begun
			taken, err = s.Take(context.Background(), n)
		}
		if err != nil || (taken.Results[0].Err == nil) != drained {
			t.Errorf("drained %v: %v, %v", drained, taken.Results, err)
		}
	}
}
