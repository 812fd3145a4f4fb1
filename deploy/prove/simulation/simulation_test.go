package simulation_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	usual   = 40  // histories of an ordinary run
	reruns  = 100 // of a history that fails
	tooMany = 3   // failures, then it is over
	stuck   = 2 * time.Minute
)

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestHistories(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // what histories leave behind is little
	if os.Getenv("HEADGATE_SEED") != "" {
		one(t, number(t, "HEADGATE_SEED", 0))
		return
	}
	r := &runner{t: t, next: number(t, "HEADGATE_FROM", 1), began: time.Now(), cpu: cpu()}
	r.last = r.next + number(t, "HEADGATE_HISTORIES", usual)
	if minutes := number(t, "HEADGATE_MINUTES", 0); minutes > 0 {
		r.last, r.until = 1<<62, time.Now().Add(time.Duration(minutes)*time.Minute)
	}
	t.Run("some", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprintf("worker%d", i), func(t *testing.T) {
				t.Parallel()
				r.work(t)
			})
		}
	})
	t.Log(r.summary())
}

// one tells a single history, whole.
func one(t *testing.T, seed uint64) {
	r := watched(t, newPlan(seed))
	t.Log("\n" + r.report())
	if len(r.failures) > 0 {
		t.Error(again(t, seed))
	}
}

// again runs a history that failed many times.
func again(t *testing.T, seed uint64) string {
	n := int(number(t, "HEADGATE_RERUNS", reruns))
	failed := 0
	kinds := map[string]int{}
	for range n {
		if r := watched(t, newPlan(seed)); len(r.failures) > 0 {
			failed++
			kinds[r.failures[0]]++
		}
	}
	text := fmt.Sprintf("seed %d fails %d of %d times", seed, failed, n)
	for k, n := range kinds {
		if len(kinds) < 6 || n > 1 {
			text += fmt.Sprintf("\n%4d: %s", n, k)
		}
	}
	return text
}

// watched tells a history and complains when it does not end: then a bubble's
// time stands still, because somebody waits for a mutex.
func watched(t *testing.T, p *plan) (r result) {
	dog := time.AfterFunc(stuck, func() {
		buf := make([]byte, 8<<20)
		buf = buf[:runtime.Stack(buf, true)]
		name := fmt.Sprintf("/tmp/stuck.%d", p.seed)
		_ = os.WriteFile(name, buf, 0o600)
		panic(fmt.Sprintf("the history does not end, stacks are in %s:\n%v", name, p))
	})
	defer dog.Stop()
	pprof.Do(t.Context(), pprof.Labels("seed", strconv.FormatUint(p.seed, 10)), func(context.Context) { r = tell(t, p) })
	return r
}

// runner hands out seeds to workers.
type runner struct {
	t     *testing.T
	until time.Time // zero: up to last
	began time.Time
	cpu   time.Duration

	failed atomic.Int64

	mu   sync.Mutex
	next uint64 // guarded by mu
	last uint64
	sum  result // guarded by mu
	told int    // guarded by mu
}

func (r *runner) seed() (uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next >= r.last || !r.until.IsZero() && time.Now().After(r.until) || r.failed.Load() >= tooMany {
		return 0, false
	}
	r.next++
	return r.next - 1, true
}

func (r *runner) work(t *testing.T) {
	for {
		seed, ok := r.seed()
		if !ok {
			return
		}
		h := watched(t, newPlan(seed))
		r.add(h)
		if len(h.failures) > 0 {
			r.failed.Add(1)
			t.Errorf("%s\n%s", h.report(), again(t, seed))
		}
	}
}

func (r *runner) add(h result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sum
	r.told++
	s.lasted += h.lasted
	s.puts += h.puts
	s.acked += h.acked
	s.spooled += h.spooled
	s.refused += h.refused
	s.unknown += h.unknown
	s.reads += h.reads
	s.pulls += h.pulls
	s.repairs += h.repairs
	s.crashes += h.crashes
	s.records += h.records
	s.replays += h.replays
	s.carried = added(s.carried, h.carried)
	if r.told%500 == 0 {
		fmt.Fprintln(os.Stderr, r.line())
	}
}

func (r *runner) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line()
}

func (r *runner) line() string {
	s := r.sum
	used := cpu() - r.cpu
	return fmt.Sprintf("%d histories, %d failed: %v of their time in %v, %.0f ms of CPU each; %d puts; entries: %d acknowledged with a place, %d by a spool or again, %d unsure, %d refused, %d stored; %d pages read, %d pulls, %d repairs, %d crashes, %d replays; carriers: %+v",
		r.told, r.failed.Load(), s.lasted.Round(time.Second), time.Since(r.began).Round(time.Second), float64(used.Milliseconds())/float64(max(r.told, 1)),
		s.puts, s.acked, s.spooled, s.unknown, s.refused, s.records, s.reads, s.pulls, s.repairs, s.crashes, s.replays, s.carried)
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
