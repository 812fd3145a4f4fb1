package forward_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/sync/forward"
)

// bubble runs a test of a site whose gateway "a" leads, with a stream "s".
func bubble(t *testing.T, test func(t *testing.T, s *site, a *gateway)) {
	bubbled(t, func(t *testing.T) {
		s := newSite(t)
		a := s.start("a", newDisk(), nil)
		defer a.stop()
		s.elect("a")
		if err := a.door(false).CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
			t.Fatal(err)
		}
		test(t, s, a)
	})
}

func one(key string, n int) []shardlog.Entry {
	return []shardlog.Entry{{Key: key, Data: fmt.Appendf(nil, "%s %d", key, n), Meta: []byte("meta of " + key)}}
}

func wants(t *testing.T, err error, kind shardlog.Kind) {
	t.Helper()
	if err == nil || shardlog.KindOf(err) != kind {
		t.Fatalf("%v, want %v", err, kind)
	}
}

// stored is the data of all records of a stream, by key, in order.
func (s *site) stored(name shardlog.StreamName) map[string][]string {
	out := map[string][]string{}
	for _, r := range s.log.Records(name) {
		out[r.Key] = append(out[r.Key], string(r.Data))
	}
	return out
}

func (g *gateway) put(t *testing.T, spools bool, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	t.Helper()
	return g.Writer(spools).Put(t.Context(), "s", entries, with...)
}

// isolate cuts a gateway off and waits until it knows.
func (g *gateway) isolate(t *testing.T) {
	t.Helper()
	g.site.part(g.id, true)
	time.Sleep(6 * time.Second)
	if !g.State().Isolated {
		t.Fatal("it is not isolated")
	}
}

// drained joins a gateway again and waits until its spool is empty.
func (g *gateway) drained(t *testing.T) {
	t.Helper()
	g.site.part(g.id, false)
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		if s := g.State(); !s.Isolated && s.Rows == 0 && s.Owed == 0 {
			return
		}
	}
	t.Fatalf("it is not drained: %+v", g.State())
}

// The spool cannot be drained at first, and when it could the leader is in
// doubt for a moment, too short for isolation.
func TestTheSpoolIsDrainedAfterADoubt(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		if err := a.door(false).CreateStream(t.Context(), shardlog.StreamSpec{Name: "other", Shards: 1}); err != nil {
			t.Fatal(err)
		}
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		if _, err := b.put(t, true, one("k", 0)); err != nil {
			t.Fatal(err)
		}
		d.breaks(true)
		s.part("bb", false)
		for b.State().Isolated {
			time.Sleep(100 * time.Millisecond)
		}
		s.lossy(true)
		done := make(chan error, 1)
		go func() {
			_, err := b.Writer(false).Put(t.Context(), "other", one("k", 0))
			done <- err
		}()
		time.Sleep(2 * time.Second)
		d.breaks(false)
		s.lossy(false)
		b.drained(t)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatWasSpooledIsStoredInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		b.isolate(t)
		if _, err := b.put(t, false, one("k", 0)); err == nil {
			t.Fatal("a door that must number was answered")
		} else {
			wants(t, err, shardlog.Unavailable)
		}
		before := time.Now()
		for i := range 20 {
			results, err := b.put(t, true, append(one("k", i), one(fmt.Sprint("other", i), i)...))
			if err != nil || len(results) != 2 || results[0] != (shardlog.Result{}) {
				t.Fatal(results, err)
			}
		}
		if st := b.State(); st.Records != 40 || st.Rows != 20 || st.Oldest.Before(before) || st.Bytes == 0 {
			t.Fatalf("%+v", st)
		}
		var late sync.WaitGroup
		b.drained(t)
		late.Wait()
		if _, err := b.put(t, false, one("k", 20)); err != nil {
			t.Fatal(err)
		}
		all := s.stored("s")
		for i, d := range all["k"] {
			if d != fmt.Sprint("k ", i) {
				t.Fatalf("%q", all["k"])
			}
		}
		if len(all["k"]) != 21 || len(all) != 21 {
			t.Fatalf("%d keys, %q", len(all), all["k"])
		}
		if o := s.log.origins["k 3"]; o.Before(before) || s.log.origins["k 20"] != (time.Time{}) {
			t.Fatalf("origin %v", o)
		}
		time.Sleep(time.Second)
		if n := s.log.remembered(); n > 3 {
			t.Errorf("the log remembers %d numbers", n)
		}
		if st := b.Stats(); st.Spooled != 40 || st.Drained != 40 || st.Isolations != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAPutInDoubtIsSpooledUnderItsNumber(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		time.Sleep(time.Second)
		s.fate = func(path string) (bool, bool) { return true, false }
		var group sync.WaitGroup
		group.Go(func() {
			results, err := b.put(t, true, one("k", 1))
			if err != nil || results[0].Number.Index != 0 {
				t.Error(results, err)
			}
		})
		group.Go(func() {
			_, err := b.put(t, false, one("n", 1))
			wants(t, err, shardlog.Unknown)
		})
		group.Wait()
		if n := len(s.stored("s")["k"]); n != 1 {
			t.Fatalf("%d are stored", n)
		}
		s.mu.Lock()
		s.fate = nil
		s.mu.Unlock()
		b.drained(t)
		if all := s.stored("s"); len(all["k"]) != 1 || len(all["n"]) != 1 {
			t.Fatalf("%q", all)
		}
	})
}

// Records of 10 MiB, more than a session reads at once, among small ones.
func TestLargeRecordsAreSpooled(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		if err := a.door(false).SetRecordSize(t.Context(), "s", shardlog.MaxRecordKiB); err != nil {
			t.Fatal(err)
		}
		b.isolate(t)
		var sent []int
		for i := range 6 {
			size := []int{shardlog.MaxRecordBytes - 1, 10}[i%2]
			if results, err := b.put(t, true, []shardlog.Entry{{Key: "k", Data: make([]byte, size)}}); err != nil || results[0].Err != nil {
				t.Fatal(results, err)
			}
			sent = append(sent, size)
		}
		results, err := b.put(t, true, []shardlog.Entry{{Key: "k", Data: make([]byte, shardlog.MaxRecordBytes)}})
		if err != nil {
			t.Fatal(err)
		}
		wants(t, results[0].Err, shardlog.Invalid)
		b.drained(t)
		var got []int
		for _, r := range s.log.Records("s") {
			got = append(got, len(r.Data))
		}
		if !slices.Equal(got, sent) {
			t.Errorf("sizes %v, want %v", got, sent)
		}
	})
}

func TestNewPutsWaitBehindTheSpool(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		b.isolate(t)
		for i := range 3 {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		s.log.pace = 2 * time.Second
		s.part("bb", false)
		for b.State().Isolated {
			time.Sleep(50 * time.Millisecond)
		}
		begun := time.Now()
		_, err := b.put(t, true, one("k", 3))
		wants(t, err, shardlog.Unavailable)
		if d := time.Since(begun); d != 5*time.Second {
			t.Errorf("it waited for %v", d)
		}
		if _, err := b.put(t, true, one("k", 4)); err != nil {
			t.Fatal(err)
		}
		if all := fmt.Sprint(s.stored("s")["k"]); all != "[k 0 k 1 k 2 k 4]" {
			t.Fatal(all)
		}
	})
}

func TestAFullSpoolRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), func(c *forward.Config) { c.SpoolBytes = 10000 })
		defer b.stop()
		b.isolate(t)
		kept := fill(t, b)
		for range 5 {
			_, err := b.put(t, true, one("late", 0))
			wants(t, err, shardlog.Full)
		}
		if st := b.State(); st.Bytes > 10000 || st.Bytes < 9500 {
			t.Errorf("%d bytes are spooled", st.Bytes)
		}
		b.drained(t)
		if all := s.stored("s"); len(all["k"]) != kept || len(all["late"]) != 0 {
			t.Errorf("%d of %d are stored", len(all["k"]), kept)
		}
	})
}

// fill puts until the spool is full.
func fill(t *testing.T, g *gateway) (kept int) {
	t.Helper()
	for ; ; kept++ {
		if _, err := g.put(t, true, one("k", kept)); err != nil {
			wants(t, err, shardlog.Full)
			return kept
		}
	}
}

func TestAFullSpoolDropsItsOldestAndAccountsForThem(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		change := func(c *forward.Config) { c.SpoolBytes, c.Full = 10000, forward.DropOldest }
		b := s.start("bb", d, change)
		b.isolate(t)
		const puts = 500
		for i := range puts {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
			if st := b.State(); st.Bytes > 10000 {
				t.Fatalf("%d bytes are spooled", st.Bytes)
			}
			if i == puts/2 {
				b.stop()
				b = s.start("bb", d, change)
				time.Sleep(time.Second)
			}
		}
		dropped := int(b.Stats().Dropped)
		b.stop()
		b = s.start("bb", d, change) // the note survives
		defer b.stop()
		b.drained(t)
		all := s.stored("s")["k"]
		if len(all) == 0 || len(all) == puts || all[len(all)-1] != fmt.Sprint("k ", puts-1) {
			t.Fatalf("%d are stored, %d were dropped", len(all), dropped)
		}
		var lost uint64
		for _, g := range s.log.conceded {
			if g.Stream != "s" || g.Reason != shardlog.SpoolFull || g.Bytes == 0 || g.Shard.Stream == 0 {
				t.Errorf("%+v", g)
			}
			lost += g.Records
		}
		if int(lost)+len(all) != puts {
			t.Errorf("%d stored and %d conceded of %d", len(all), lost, puts)
		}
	})
}

func TestTheSpoolIsBoundedByAge(t *testing.T) {
	for _, full := range []forward.Policy{forward.Refuse, forward.DropOldest} {
		t.Run(string(full), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site, a *gateway) {
				b := s.start("bb", newDisk(), func(c *forward.Config) { c.SpoolAge, c.Full = time.Hour, full })
				defer b.stop()
				b.isolate(t)
				if _, err := b.put(t, true, one("k", 0)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(61 * time.Minute)
				_, err := b.put(t, true, one("k", 1))
				b.drained(t)
				all := fmt.Sprint(s.stored("s")["k"])
				if full == forward.Refuse {
					wants(t, err, shardlog.Full)
					if all != "[k 0]" {
						t.Error(all)
					}
				} else if err != nil || all != "[k 1]" || len(s.log.conceded) != 1 || s.log.conceded[0].Reason != shardlog.SpoolAge {
					t.Error(err, all, s.log.conceded)
				}
			})
		})
	}
}

func TestConcededOnceThoughTheAnswerIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), func(c *forward.Config) { c.SpoolAge, c.Full = time.Hour, forward.DropOldest })
		defer b.stop()
		b.isolate(t)
		_, err := b.put(t, true, one("k", 0))
		time.Sleep(61 * time.Minute)
		_, err2 := b.put(t, true, one("k", 1))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		n := 0
		s.fate = func(path string) (bool, bool) {
			if path == forward.ControlPath {
				n++
				return true, n > 3
			}
			return true, true
		}
		b.drained(t)
		if len(s.log.conceded) != 1 {
			t.Fatal(s.log.conceded)
		}
	})
}

func TestIsolationSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		b.isolate(t)
		if _, err := b.put(t, true, one("k", 0)); err != nil {
			t.Fatal(err)
		}
		b.stop()
		b = s.start("bb", d, nil)
		defer b.stop()
		synctest.Wait()
		if st := b.State(); !st.Isolated || st.Rows != 1 || st.Records != 1 {
			t.Fatalf("%+v", st)
		}
		begun := time.Now()
		if _, err := b.put(t, true, one("k", 1)); err != nil || time.Since(begun) > time.Second {
			t.Fatal(err, time.Since(begun))
		}
		b.drained(t)
		if all := fmt.Sprint(s.stored("s")["k"]); all != "[k 0 k 1]" {
			t.Fatal(all)
		}
	})
}

func TestOrphans(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		b.isolate(t)
		for i := range 3 {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Control().DeleteStream(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		b.drained(t)
		records := s.log.Records(forward.Orphans)
		if len(records) != 3 || b.Stats().Orphans != 3 {
			t.Fatalf("%d orphans", len(records))
		}
		var meta struct {
			Stream string
			Meta   []byte
		}
		if err := json.Unmarshal(records[0].Meta, &meta); err != nil || meta.Stream != "s" || string(meta.Meta) != "meta of k" {
			t.Fatalf("%s: %v", records[0].Meta, err)
		}
	})
}

func exact(id string, value string) shardlog.Mutation {
	return shardlog.Mutation{Space: "q", Key: id, Value: []byte(value), Expect: shardlog.Absent()}
}

func TestChangesAreSpooledInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		if _, err := b.put(t, true, one("k", 0), exact("1", "first")); err != nil {
			t.Fatal(err)
		}
		b.isolate(t)
		states := b.States(true)
		free := shardlog.Mutation{Space: "q", Key: "1"}
		put := func(n int, with ...shardlog.Mutation) {
			t.Helper()
			var entries []shardlog.Entry
			for i := range with {
				entries = append(entries, one("k", n+i)...)
			}
			if _, err := b.put(t, true, entries, with...); err != nil {
				t.Fatal(err)
			}
		}
		put(0, exact("1", "first")) // came again
		wants(t, b.States(false).Mutate(t.Context(), free), shardlog.Unavailable)
		wants(t, states.Mutate(t.Context(), exact("9", "")), shardlog.Unavailable)
		if err := states.Mutate(t.Context(), free); err != nil {
			t.Fatal(err)
		}
		put(1, exact("1", "second"))
		put(1, exact("1", "second"), exact("2", "third")) // one of them came again
		s.part("bb", false)
		time.Sleep(time.Second)
		if err := states.Mutate(t.Context(), free); err != nil { // waits behind
			t.Fatal(err)
		}
		b.drained(t)
		if all := fmt.Sprint(s.stored("s")["k"]); all != "[k 0 k 1 k 2]" {
			t.Fatal(all)
		}
		if _, _, err := states.Get(t.Context(), "q", "1"); err == nil {
			t.Error("the id is still there")
		}
		if n := b.Stats().Duplicates; n != 2 {
			t.Errorf("%d duplicates", n)
		}
	})
}

func TestARefusingStreamIsNotSpooled(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), func(c *forward.Config) {
			c.Isolated = func(shardlog.StreamName) forward.Policy { return forward.Refuse }
		})
		defer b.stop()
		b.isolate(t)
		_, err := b.put(t, true, one("k", 0))
		wants(t, err, shardlog.Unavailable)
		_, err = b.Tip(t.Context(), shardlog.ShardID{Stream: 1})
		wants(t, err, shardlog.Unavailable)
	})
}

func TestADamagedRowIsAccountedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		for i := range 3 {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		d.spoil(2)
		b.drained(t)
		if all := fmt.Sprint(s.stored("s")["k"]); all != "[k 0 k 2]" || len(s.log.conceded) != 1 {
			t.Fatal(all, s.log.conceded)
		}
		if _, err := b.put(t, true, one("k", 3)); err != nil {
			t.Fatal(err) // nothing is held any more
		}
	})
}

func TestMissingRowsAreAccountedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		b.isolate(t)
		for i := range 5 {
			if _, err := b.put(t, true, append(one("k", i), one("l", i)...)); err != nil {
				t.Fatal(err)
			}
		}
		d.lose(2)
		d.lose(5)
		b.stop()
		b = s.start("bb", d, nil)
		defer b.stop()
		b.drained(t)
		if all := fmt.Sprint(s.stored("s")["k"]); all != "[k 0 k 2 k 3]" || len(s.log.conceded) == 0 {
			t.Fatal(all, s.log.conceded)
		}
		if _, err := b.put(t, true, one("k", 3)); err != nil {
			t.Fatal(err)
		}
	})
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		for i := range 5 {
			if _, err := b.put(t, true, append(one("k", i), one("l", i)...)); err != nil {
				t.Fatal(err)
			}
		}
		d.lose(2)
		d.lose(3)
		d.lose(5)
		b.drained(t)
		var lost uint64
		for _, g := range s.log.conceded {
			lost += g.Records
		}
		if lost != 6 {
			t.Fatal(s.log.conceded)
		}
	})
}

func TestInvalidEntriesAreRefusedAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		b.isolate(t)
		results, err := b.put(t, true, []shardlog.Entry{{Key: "k", Data: []byte("good")}, {}, {Key: "k", Data: []byte("good too")}})
		if err != nil || results[0].Err != nil || results[2].Err != nil {
			t.Fatal(results, err)
		}
		wants(t, results[1].Err, shardlog.Invalid)
		_, err = b.Writer(true).Put(t.Context(), "nowhere", one("k", 1))
		wants(t, err, shardlog.NotFound)
		_, err = b.put(t, true, []shardlog.Entry{{}}, exact("1", "x"))
		wants(t, err, shardlog.Invalid)
		b.drained(t)
		if n := len(s.stored("s")["k"]); n != 2 {
			t.Errorf("%d are stored", n)
		}
	})
}

func TestADiskThatRefusesIsNotAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		d.appending = func() error { return shardlog.Errorf(shardlog.Full, "append", "no room") }
		_, err := b.put(t, true, one("k", 0))
		wants(t, err, shardlog.Full)
		d.appending = func() error { return errors.New("broken") }
		_, err = b.put(t, true, one("k", 1))
		wants(t, err, shardlog.Unknown)
		d.appending = nil
		b.drained(t)
		if all := s.stored("s"); len(all) != 0 {
			t.Error(all)
		}
	})
}

func TestExport(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		for i := range 3 {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		d.spoil(2)
		var text string
		for x, err := range forward.Export(d) {
			if err != nil {
				text += fmt.Sprint(" bad ", x.Row)
				continue
			}
			text += fmt.Sprintf(" %s/%s=%s", x.Stream, x.Key, x.Data)
		}
		if text != " s/k=k 0 bad 2 s/k=k 2" {
			t.Error(text)
		}
	})
}

func TestManyShareOneSync(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		d := newDisk()
		b := s.start("bb", d, nil)
		defer b.stop()
		b.isolate(t)
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				for n := range 10 {
					if _, err := b.put(t, true, one(fmt.Sprint("k", i), n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if d.syncs > 21 {
			t.Errorf("%d syncs", d.syncs)
		}
		s.log.pace = 25 * time.Millisecond
		b.drained(t)
		for k, all := range s.stored("s") {
			if fmt.Sprint(all) != fmt.Sprintf("[%[1]s 0 %[1]s 1 %[1]s 2 %[1]s 3 %[1]s 4 %[1]s 5 %[1]s 6 %[1]s 7 %[1]s 8 %[1]s 9]", k) {
				t.Fatal(all)
			}
		}
	})
}

func TestAnAbandonedPutIsNotSpooledLater(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		b.isolate(t)
		if _, err := b.put(t, true, one("first", 0)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // within the pace
		defer cancel()
		_, err := b.Writer(true).Put(ctx, "s", one("k", 0))
		wants(t, err, shardlog.Unavailable)
		b.drained(t)
		if all := s.stored("s"); len(all) != 1 {
			t.Error(all)
		}
	})
}

func TestARowThatNoSpoolHoldsDropsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), func(c *forward.Config) { c.SpoolBytes, c.Full = 4<<10, forward.DropOldest })
		defer b.stop()
		b.isolate(t)
		for i := range 3 {
			if _, err := b.put(t, true, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		large := make([]byte, 64<<10)
		for i := range large {
			large[i] = byte(rand.Uint32())
		}
		if _, err := b.put(t, true, []shardlog.Entry{{Key: "large", Data: large}}); err == nil {
			t.Fatal("it was taken")
		} else {
			wants(t, err, shardlog.Full)
		}
		b.drained(t)
		if n := len(s.stored("s")["k"]); n != 3 || len(s.log.conceded) > 0 || b.Stats().Dropped > 0 {
			t.Fatalf("%d are stored, %d dropped, gaps %v", n, b.Stats().Dropped, s.log.conceded)
		}
	})
}

// A Put with changes is agreed on, but the link goes before this gateway has
// applied it. Its device must not wait for as long as the link is away.
func TestAPutIsAnsweredAlthoughItsLinkWent(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, _ *gateway) {
		b := s.start("bb", newDisk(), func(c *forward.Config) { c.Applied = func() uint64 { return 0 } })
		defer b.stop()
		began := time.Now()
		answered := make(chan error, 1)
		go func() {
			_, err := b.put(t, true, one("key", 1), shardlog.Mutation{Space: "space", Key: "cell", Value: []byte("1"), Expect: shardlog.Absent()})
			answered <- err
		}()
		time.Sleep(time.Second)
		b.isolate(t)
		if err := <-answered; err != nil || time.Since(began) < 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if got := s.stored("s")["key"]; len(got) != 1 {
			t.Errorf("stored %v", got)
		}
	})
}
