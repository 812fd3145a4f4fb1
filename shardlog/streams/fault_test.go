package streams_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/streams"
)

func fail(kind shardlog.Kind) error { return shardlog.Errorf(kind, "propose", "by the test") }

func TestAProposalIsRepeatedUntilItsFateIsKnown(t *testing.T) {
	tests := map[string]func(n int) (bool, error){
		"unknown, was applied":    func(n int) (bool, error) { return true, errUnless(n > 0, shardlog.Unknown) },
		"unknown, was not":        func(n int) (bool, error) { return n > 0, errUnless(n > 0, shardlog.Unknown) },
		"unknown often":           func(n int) (bool, error) { return n == 2 || n > 6, errUnless(n > 6, shardlog.Unknown) },
		"unavailable for a while": func(n int) (bool, error) { return n > 3, errUnless(n > 3, shardlog.Unavailable) },
		"applied, unknown, unavailable": func(n int) (bool, error) {
			return n != 1, []error{fail(shardlog.Unknown), fail(shardlog.Unavailable), nil}[min(n, 2)]
		},
		"a foreign error": func(n int) (bool, error) { return n > 0, map[bool]error{false: errors.New("odd")}[n > 0] },
	}
	for name, fate := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
				m.fate = func(n int, _ shardlog.Command) (bool, error) { return fate(n) }
				all := many(100, 20)
				results, err := l.Put(t.Context(), "a", all, absent("x"))
				check(t, m, all, results, err)
				if m.count() != 100 {
					t.Errorf("%d records", m.count())
				}
				m.fate = nil
				results, err = l.Put(t.Context(), "a", all)
				check(t, m, all, results, err)
			})
		})
	}
}

func errUnless(fine bool, kind shardlog.Kind) error {
	if fine {
		return nil
	}
	return fail(kind)
}

func TestACycleIsBuiltAnewWhenTheLogMoved(t *testing.T) {
	tests := map[string]func(m *machine){
		"a shard was split":  func(m *machine) { m.split("a") },
		"time went on":       func(m *machine) { m.tail.Stamp = wall().Add(time.Minute) },
		"the bucket went on": func(m *machine) { m.goOn(); m.goOn() },
	}
	for name, move := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
				m.fate = func(n int, _ shardlog.Command) (bool, error) {
					if n == 0 {
						move(m)
					}
					return true, nil
				}
				all := many(300, 20)
				results, err := l.Put(t.Context(), "a", all)
				check(t, m, all, results, err)
				if m.proposals != 2 {
					t.Errorf("%d proposals", m.proposals)
				}
			})
		})
	}
}

func TestACycleThatMovesForeverIsGivenUp(t *testing.T) {
	inBubble(t, time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		m.fate = func(int, shardlog.Command) (bool, error) {
			m.goOn()
			m.goOn()
			return true, nil
		}
		if _, err := l.Put(t.Context(), "a", entries("k")); kindOf(err) != "unavailable" || m.count() != 0 {
			t.Errorf("%v, %d records", err, m.count())
		}
	})
}

func TestExpectations(t *testing.T) {
	inBubble(t, time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		put := func(with ...shardlog.Mutation) error {
			results, err := l.Put(t.Context(), "a", entries("k"), with...)
			if err == nil {
				err = results[0].Err
			}
			return err
		}
		if err := put(absent("x")); err != nil {
			t.Fatal(err)
		}
		_, version, _ := l.Get(t.Context(), "t", "x")
		at := mutation("x")
		at.Expect = shardlog.At(version)
		gone := absent("g")
		gone.Value = nil
		for i, c := range []struct {
			with []shardlog.Mutation
			want string
		}{
			{[]shardlog.Mutation{absent("x")}, "conflict"}, {[]shardlog.Mutation{at}, "ok"}, {[]shardlog.Mutation{at}, "conflict"},
			{[]shardlog.Mutation{absent("y"), absent("y")}, "conflict"}, {[]shardlog.Mutation{absent("y"), mutation("y")}, "ok"},
			{[]shardlog.Mutation{{Space: "t", Key: string(make([]byte, shardlog.MaxStateKey+1))}}, "invalid"},
			{[]shardlog.Mutation{{Key: "no space"}}, "invalid"},
		} {
			before := m.count()
			if err := put(c.with...); kindOf(err) != c.want || (m.count() > before) != (err == nil) {
				t.Errorf("case %d: %v, want %s; %d records more", i, err, c.want, m.count()-before)
			}
		}
	})
}

// Of many that want to be first, in the same cycle and beside the pool, one is.
func TestRacingMutations(t *testing.T) {
	inBubble(t, 5*time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		var won, lost, innocent int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				var err error
				switch i % 3 {
				case 0:
					err = l.Mutate(t.Context(), absent("x"))
				case 1:
					_, err = l.Put(t.Context(), "a", entries("k"), absent("x"), mutation(fmt.Sprint("own", i)))
				case 2:
					_, err = l.Put(t.Context(), "a", entries("k"), absent(fmt.Sprint("y", i)))
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case i%3 == 2 && err == nil:
					innocent++
				case err == nil:
					won++
				case kindOf(err) == "conflict":
					lost++
				}
			})
		}
		all.Wait()
		if won != 1 || lost != 19 || innocent != 10 {
			t.Errorf("%d won, %d lost, %d others stored", won, lost, innocent)
		}
	})
}

func TestAStreamThatIsDeletedMeanwhile(t *testing.T) {
	inBubble(t, 50*time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		var puts sync.WaitGroup
		puts.Go(func() { _, _ = l.Put(t.Context(), "b", entries("k")) })
		time.Sleep(10 * time.Millisecond) // b's first is in flight; what comes now waits
		puts.Go(func() {
			if _, err := l.Put(t.Context(), "a", entries("k"), mutation("x")); kindOf(err) != "not found" {
				t.Errorf("with a mutation: %v", err)
			}
		})
		puts.Go(func() {
			if _, err := l.Put(t.Context(), "c", entries("k")); err != nil {
				t.Errorf("another stream: %v", err)
			}
		})
		time.Sleep(time.Millisecond)
		m.mu.Lock()
		m.apply(shardlog.DeleteStream{Name: "a"})
		m.mu.Unlock()
		puts.Wait()
		if len(m.cells) != 0 || m.count() != 2 {
			t.Errorf("%d cells, %d records", len(m.cells), m.count())
		}
		if _, err := l.Put(t.Context(), "a", entries("k")); kindOf(err) != "not found" {
			t.Errorf("then: %v", err)
		}
	})
}

func TestPutsWaitForALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		l := over(t, m, func(c *streams.Config) { c.Patience = 3 * time.Second })
		began := time.Now()
		if _, err := l.Put(t.Context(), "a", entries("k")); kindOf(err) != "unavailable" || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		done := make(chan error)
		go func() {
			_, err := l.Put(t.Context(), "a", entries("k"))
			done <- err
		}()
		time.Sleep(2 * time.Second)
		stop := run(t.Context(), l)
		if err := <-done; err != nil {
			t.Error(err)
		}
		stop()
		m.delay = 10 * time.Second // longer than Run waits for a last word
		stop = run(t.Context(), l)
		go func() {
			_, err := l.Put(t.Context(), "a", entries("in flight"))
			done <- err
		}()
		time.Sleep(time.Second)
		late := make(chan error)
		go func() {
			_, err := l.Put(t.Context(), "a", entries("waits"))
			late <- err
		}()
		time.Sleep(time.Second)
		go stop()
		if err := <-done; kindOf(err) != "unknown outcome" {
			t.Errorf("in flight: %v", err)
		}
		if err := <-late; kindOf(err) != "unavailable" {
			t.Errorf("waiting: %v", err)
		}
		synctest.Wait()
	})
}

func TestACommandInFlightMayEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		m.delay = time.Second
		l := over(t, m, nil)
		stop := run(t.Context(), l)
		done := make(chan error)
		go func() {
			_, err := l.Put(t.Context(), "a", entries("k"))
			done <- err
		}()
		time.Sleep(100 * time.Millisecond)
		go stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// A doubt at the end of one run is settled by the next: its number is not
// given to other records while it may have been applied.
func TestADoubtIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(1)
		m.fate = func(n int, _ shardlog.Command) (bool, error) {
			return n == 0, []error{fail(shardlog.Unknown), fail(shardlog.Unavailable)}[min(n, 1)]
		}
		l := over(t, m, nil)
		stop := run(t.Context(), l)
		done := make(chan error)
		go func() {
			_, err := l.Put(t.Context(), "a", entries("first"))
			done <- err
		}()
		time.Sleep(time.Second)
		go stop()
		if err := <-done; kindOf(err) != "unknown outcome" {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		m.fate = nil
		stop = run(t.Context(), l)
		all := entries("second")
		results, err := l.Put(t.Context(), "a", all)
		check(t, m, all, results, err)
		if m.count() != 2 {
			t.Errorf("%d records", m.count())
		}
		stop()
	})
}

func TestCallersThatGiveUp(t *testing.T) {
	inBubble(t, 100*time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		put := func(after time.Duration, e []shardlog.Entry) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			_, err := l.Put(ctx, "a", e)
			for i := range e { // they are the caller's again
				clear(e[i].Data)
			}
			return time.Since(began), err
		}
		if took, err := put(50*time.Millisecond, entries("sealed")); kindOf(err) != "unknown outcome" || took != 50*time.Millisecond {
			t.Errorf("sealed: %v after %v", err, took)
		}
		if took, err := put(20*time.Millisecond, entries("waits")); kindOf(err) != "unavailable" || took != 20*time.Millisecond {
			t.Errorf("waits: %v after %v", err, took)
		}
		time.Sleep(time.Second)
		if m.count() != 1 {
			t.Errorf("%d records", m.count())
		}
		for _, all := range m.records {
			for _, r := range all {
				if string(r.Data) != "sealed0" {
					t.Errorf("stored %q", r.Data)
				}
			}
		}
	})
}

// A caller that gives up while its Put is built anew is left out: its bytes
// are its own again.
func TestAGivenUpPutIsNotBuiltAnew(t *testing.T) {
	inBubble(t, 100*time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		m.fate = func(n int, _ shardlog.Command) (bool, error) {
			if n == 0 {
				m.goOn()
				m.goOn()
			}
			return true, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var puts sync.WaitGroup
		puts.Go(func() {
			e := entries("gives up")
			if _, err := l.Put(ctx, "a", e); kindOf(err) != "unknown outcome" {
				t.Errorf("%v", err)
			}
			clear(e[0].Data)
		})
		all := entries("stays")
		results, err := l.Put(t.Context(), "a", all)
		check(t, m, all, results, err)
		puts.Wait()
		if m.count() != 1 {
			t.Errorf("%d records", m.count())
		}
	})
}

func TestAPutThatFailsHalfway(t *testing.T) {
	inBubble(t, 10*time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		m.fate = func(n int, _ shardlog.Command) (bool, error) {
			if n > 0 {
				m.goOn()
				m.goOn()
			}
			return true, nil
		}
		results, err := l.Put(t.Context(), "a", many(3000, 1000))
		if err != nil {
			t.Fatal(err)
		}
		stored, refused := 0, 0
		for i, r := range results {
			switch {
			case r.Err == nil && refused == 0:
				stored++
			case kindOf(r.Err) == "unavailable":
				refused++
			default:
				t.Fatalf("entry %d: %v behind %d refused", i, r.Err, refused)
			}
		}
		if stored != m.count() || stored == 0 || refused == 0 {
			t.Errorf("%d stored, %d refused, %d records", stored, refused, m.count())
		}
	})
}

func TestThePoolIsBounded(t *testing.T) {
	inBubble(t, time.Second, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		var puts sync.WaitGroup
		var mu sync.Mutex
		kinds := map[string]int{}
		for i := range 60 {
			puts.Go(func() {
				_, err := l.Put(t.Context(), "a", []shardlog.Entry{{Key: "k", Data: noise(i, 1<<20-100)}})
				mu.Lock()
				kinds[kindOf(err)]++
				mu.Unlock()
			})
			synctest.Wait()
		}
		if st := l.Stats(); st.Waiting > 17 {
			t.Errorf("%d megabytes wait", st.Waiting)
		}
		puts.Wait()
		if kinds["ok"] != m.count() || kinds["ok"] < 17 || kinds["ok"]+kinds["unavailable"] != 60 {
			t.Errorf("%v, %d records", kinds, m.count())
		}
	})
}
