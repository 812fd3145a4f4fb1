package streams_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/streams"
)

func entries(keys ...string) []shardlog.Entry {
	all := make([]shardlog.Entry, len(keys))
	for i, k := range keys {
		all[i] = shardlog.Entry{Key: k, Data: fmt.Appendf(nil, "%s%d", k, i)}
	}
	return all
}

func many(n, size int) []shardlog.Entry {
	all := make([]shardlog.Entry, n)
	for i := range all {
		all[i] = shardlog.Entry{Key: fmt.Sprint("k", i%37), Data: append(fmt.Appendf(nil, "%08d", i), bytes.Repeat([]byte{byte(i * 7)}, size)...)}
	}
	return all
}

// inBubble runs a test over a machine that takes so long for a command.
func inBubble(t *testing.T, delay time.Duration, change func(*streams.Config), test func(t *testing.T, m *machine, l *streams.Log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(4)
		m.delay = delay
		l := over(t, m, change)
		stop := run(t.Context(), l)
		defer stop()
		synctest.Wait()
		test(t, m, l)
	})
}

func noQuota(c *streams.Config) { c.Limits = quota.Limits{Off: true} }

// check compares results with what the machine holds.
func check(t *testing.T, m *machine, all []shardlog.Entry, results []shardlog.Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(all) {
		t.Fatalf("%d results of %d entries", len(results), len(all))
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("entry %d: %v", i, r.Err)
		}
		if got, want := m.stored(r), all[i].Key+"="+string(all[i].Data); got != want {
			t.Fatalf("entry %d: %s, want %s", i, got, want)
		}
	}
}

func kindOf(err error) string {
	if err == nil {
		return "ok"
	}
	return shardlog.KindOf(err).String()
}

func TestALoneRecordWaitsNoMoreThanTwoMilliseconds(t *testing.T) {
	inBubble(t, 0, nil, func(t *testing.T, m *machine, l *streams.Log) {
		for _, idle := range []time.Duration{0, time.Hour, 25 * time.Millisecond, time.Second} {
			time.Sleep(idle)
			began, all := time.Now(), entries("k")
			results, err := l.Put(t.Context(), "a", all)
			check(t, m, all, results, err)
			if took := time.Since(began); took > 2*time.Millisecond {
				t.Errorf("after %v of silence it took %v", idle, took)
			}
		}
	})
}

func TestSyncsAreBounded(t *testing.T) {
	for _, rate := range []int{40, 4} {
		change := func(c *streams.Config) { c.SyncsPerSecond = rate }
		inBubble(t, 3*time.Millisecond, change, func(t *testing.T, m *machine, l *streams.Log) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var devices sync.WaitGroup
			for i := range 50 {
				devices.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(time.Duration(7+i) * time.Millisecond)
						_, _ = l.Put(context.Background(), "a", entries(fmt.Sprint("k", i)))
					}
				})
			}
			devices.Wait()
			window := map[int64]int{}
			for _, at := range m.appends {
				window[at.Unix()]++
			}
			for second, syncs := range window {
				if syncs > rate+1 {
					t.Errorf("%d syncs in second %d, %d are allowed", syncs, second, rate)
				}
			}
			if least := 9 * rate; len(m.appends) < least {
				t.Errorf("%d commands in ten seconds, want at least %d", len(m.appends), least)
			}
		})
	}
}

// Clients that wait for their answers come back as one party, so that each
// commit carries all of them.
func TestClosedLoopsAreNotSplit(t *testing.T) {
	inBubble(t, 60*time.Millisecond, nil, func(t *testing.T, m *machine, l *streams.Log) {
		const clients, rounds = 100, 20
		began := time.Now()
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // they begin as they please
				for range rounds {
					_, _ = l.Put(t.Context(), "a", entries(fmt.Sprint("k", i)))
					time.Sleep(time.Duration(i%10) * 50 * time.Microsecond)
				}
			})
		}
		all.Wait()
		if took, most := time.Since(began), (rounds+4)*62*time.Millisecond; took > most {
			t.Errorf("took %v, %d commits; want at most %v", took, len(m.appends), most)
		}
	})
}

func TestFullRunsDoNotWait(t *testing.T) {
	inBubble(t, time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		one := make([]shardlog.Entry, 500) // one key: one run
		for i := range one {
			one[i] = shardlog.Entry{Key: "k", Data: []byte("d")}
		}
		began := time.Now()
		for range 10 {
			results, err := l.Put(t.Context(), "a", one)
			check(t, m, one, results, err)
		}
		if took := time.Since(began); took > 12*time.Millisecond {
			t.Errorf("ten full runs took %v", took)
		}
	})
}

func TestResultsSayWhereRecordsLie(t *testing.T) {
	inBubble(t, time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		var puts sync.WaitGroup
		for i := range 60 {
			puts.Go(func() {
				all := many(1+i*i, 10*i)
				results, err := l.Put(t.Context(), []shardlog.StreamName{"a", "b", "c"}[i%3], all)
				check(t, m, all, results, err)
			})
		}
		puts.Wait()
		if m.largest > shardlog.MaxCommandBytes {
			t.Errorf("a command of %d bytes", m.largest)
		}
		if st := l.Stats(); st.Records != uint64(m.count()) || st.Puts != 60 || st.Waiting != 0 || st.Commits != uint64(len(m.appends)) {
			t.Errorf("stats %+v of %d records in %d commands", st, m.count(), len(m.appends))
		}
	})
}

func TestLargePutsAreCut(t *testing.T) {
	inBubble(t, time.Millisecond, noQuota, func(t *testing.T, m *machine, l *streams.Log) {
		all := make([]shardlog.Entry, 40)
		for i := range all {
			all[i] = shardlog.Entry{Key: "k", Data: noise(i, 100<<10)}
		}
		all = append(all, shardlog.Entry{Key: "k", Data: noise(99, shardlog.DefaultRecordBytes-1)})
		results, err := l.Put(t.Context(), "a", all)
		check(t, m, all, results, err)
		if m.largest > shardlog.MaxCommandBytes+1<<10 {
			t.Errorf("a command of %d bytes", m.largest)
		}
	})
}

func noise(seed, n int) []byte {
	b, x := make([]byte, n), uint32(seed)*2654435761+1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func TestBadEntriesAreRefusedAlone(t *testing.T) {
	inBubble(t, 0, nil, func(t *testing.T, m *machine, l *streams.Log) {
		all := []shardlog.Entry{
			{Key: "good", Data: []byte("1")}, {Key: "", Data: []byte("2")}, {Key: strings.Repeat("é", 256)}, {Key: strings.Repeat("é", 257)},
			{Key: "k", Data: make([]byte, shardlog.DefaultRecordBytes)}, {Key: "k", Meta: make([]byte, 1<<20)}, {Key: "good", Data: []byte("3")},
		}
		results, err := l.Put(t.Context(), "a", all)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"ok", "invalid", "ok", "invalid", "invalid", "invalid", "ok"}
		for i, r := range results {
			if kindOf(r.Err) != want[i] {
				t.Errorf("entry %d: %v, want %s", i, r.Err, want[i])
			}
		}
		if m.count() != 3 {
			t.Errorf("%d records", m.count())
		}
		if _, err := l.Put(t.Context(), "a", all, mutation("x")); kindOf(err) != "invalid" || m.count() != 3 || len(m.cells) != 0 {
			t.Errorf("all or nothing: %v, %d records", err, m.count())
		}
	})
}

func mutation(key string) shardlog.Mutation {
	return shardlog.Mutation{Space: "t", Key: key, Value: []byte{1}}
}

func absent(key string) shardlog.Mutation {
	m := mutation(key)
	m.Expect = shardlog.Absent()
	return m
}

func TestThrottling(t *testing.T) {
	few := func(c *streams.Config) { c.Limits = quota.Limits{RecordsIn: 3} }
	inBubble(t, 0, few, func(t *testing.T, m *machine, l *streams.Log) {
		// Keys a and b lie in different shards of stream a: 1 and 2 of 4.
		results, err := l.Put(t.Context(), "a", entries("a", "b", "a", "a", "a", "b", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := kinds(results), "ok ok ok ok throttled ok throttled"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if wait := shardlog.RetryAfter(results[4].Err); wait <= 0 || wait > time.Second {
			t.Errorf("RetryAfter %v", wait)
		}
		before := m.count()
		results, err = l.Put(t.Context(), "a", entries("b", "a"), mutation("x"))
		if err != nil || kinds(results) != "throttled throttled" || m.count() != before || len(m.cells) != 0 {
			t.Errorf("all or nothing: %s, %v", kinds(results), err)
		}
		results, err = l.Put(t.Context(), "a", entries("b")) // was not charged for what was refused
		if err != nil || kinds(results) != "ok" {
			t.Errorf("after that: %s, %v", kinds(results), err)
		}
		time.Sleep(time.Second)
		results, err = l.Put(t.Context(), "a", entries("a", "a", "a", "a", "a"), mutation("x")) // more than a second brings
		if err != nil || kinds(results) != "ok ok ok ok ok" || len(m.cells) != 1 {
			t.Errorf("as debt: %s, %v", kinds(results), err)
		}
	})
}

func kinds(results []shardlog.Result) string {
	all := make([]string, len(results))
	for i, r := range results {
		all[i] = kindOf(r.Err)
	}
	return strings.Join(all, " ")
}

// What is throttled and sent again keeps its key's order.
func TestOrderPerKey(t *testing.T) {
	few := func(c *streams.Config) { c.Limits = quota.Limits{RecordsIn: 50} }
	inBubble(t, 2*time.Millisecond, few, func(t *testing.T, m *machine, l *streams.Log) {
		var devices sync.WaitGroup
		for d := range 20 {
			devices.Go(func() {
				var left []shardlog.Entry
				for i := range 40 {
					left = append(left, shardlog.Entry{Key: fmt.Sprint("k", d), Data: fmt.Appendf(nil, "%04d", i)})
				}
				for len(left) > 0 {
					results, err := l.Put(t.Context(), "a", left[:min(len(left), 7)])
					if err != nil {
						t.Error(err)
						return
					}
					wait := time.Duration(0)
					for _, r := range results {
						if r.Err == nil && wait == 0 {
							left = left[1:]
						} else if r.Err == nil {
							t.Error("an entry overtook a throttled one of its key")
						} else {
							wait = max(wait, shardlog.RetryAfter(r.Err))
						}
					}
					time.Sleep(wait)
				}
			})
		}
		devices.Wait()
		last := map[string]string{}
		for _, all := range m.records {
			for _, r := range all {
				if string(r.Data) <= last[r.Key] {
					t.Fatalf("%s: %s after %s", r.Key, r.Data, last[r.Key])
				}
				last[r.Key] = string(r.Data)
			}
		}
		if m.count() != 800 {
			t.Errorf("%d records", m.count())
		}
	})
}
