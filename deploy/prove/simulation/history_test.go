package simulation_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/sync/forward"
	"headgate/sync/raftgroup"
)

// history is one run of a plan.
type history struct {
	plan  *plan
	net   *network
	boxes []*box
	ctx   context.Context // ends with the history
	end   context.CancelFunc
	log   *slog.Logger
	began time.Time

	errands sync.WaitGroup  // what the network has going on
	faults  sync.WaitGroup  // what was begun by events
	joins   sync.WaitGroup  // boxes that ask to be let in, however long it takes
	spell   context.Context // ends with the faults
	relief  context.CancelFunc
	lives   sync.WaitGroup

	counts  struct{ puts, acked, spooled, refused, unknown, reads, pulls, repairs, crashes, replays atomic.Uint64 }
	carried forward.Stats // guarded by mu: of all lives that have ended

	truth  *truth
	ledger *ledger

	mu       sync.Mutex
	chance   *rand.Rand // guarded by mu
	notes    []string   // guarded by mu
	failures []string   // guarded by mu
}

// result is what a history leaves behind.
type result struct {
	plan                                                                                     *plan
	failures                                                                                 []string
	notes                                                                                    []string
	lasted                                                                                   time.Duration // in its own time
	carried                                                                                  forward.Stats
	puts, acked, spooled, refused, unknown, reads, pulls, repairs, crashes, records, replays uint64
}

func (s *history) now() string { return fmt.Sprintf("%8.3fs", time.Since(s.began).Seconds()) }

// note remembers what happened, to be printed should the history fail.
func (s *history) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, s.now()+" "+fmt.Sprintf(format, args...))
}

const mostFailures = 20

func (s *history) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(format, args...)
}

func (s *history) failLocked(format string, args ...any) {
	text := s.now() + " " + fmt.Sprintf(format, args...)
	if len(s.failures) < mostFailures {
		s.failures = append(s.failures, text)
	}
	s.notes = append(s.notes, "FAILS: "+text)
}

func (s *history) random() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chance.Uint64()
}

// sum adds up what carriers have done.
func (s *history) sum(f forward.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried = added(s.carried, f)
}

func added(a, b forward.Stats) forward.Stats {
	return forward.Stats{Calls: a.Calls + b.Calls, FailedCalls: a.FailedCalls + b.FailedCalls, Served: a.Served + b.Served,
		Isolations: a.Isolations + b.Isolations, Spooled: a.Spooled + b.Spooled, Drained: a.Drained + b.Drained, Refused: a.Refused + b.Refused,
		Dropped: a.Dropped + b.Dropped, Duplicates: a.Duplicates + b.Duplicates, Orphans: a.Orphans + b.Orphans}
}

func (s *history) founders() (all []raftgroup.Server) {
	for _, b := range s.boxes {
		if !b.joins {
			all = append(all, raftgroup.Server{ID: b.name(), Address: address(b.host).String()})
		}
	}
	return all
}

func (s *history) hostOfGateway(id string) (int, bool) {
	for _, b := range s.boxes {
		if b.name() == id {
			return b.host, true
		}
	}
	return 0, false
}

// virtualLog writes what gateways log with the history's time.
type virtualLog struct {
	slog.Handler
	began time.Time
}

func (v virtualLog) Handle(ctx context.Context, r slog.Record) error {
	r.Time = epoch.Add(time.Since(v.began))
	return v.Handler.Handle(ctx, r)
}

func (v virtualLog) WithAttrs(a []slog.Attr) slog.Handler {
	return virtualLog{v.Handler.WithAttrs(a), v.began}
}

func logger() *slog.Logger {
	if os.Getenv("HEADGATE_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	h := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
			a.Value = slog.StringValue(fmt.Sprintf("%.3f", a.Value.Time().Sub(epoch).Seconds()))
		}
		return a
	}})
	return slog.New(virtualLog{h, time.Now()})
}

// tell runs a plan in a bubble of its own.
func tell(t *testing.T, p *plan) (r result) {
	synctest.Test(t, func(t *testing.T) {
		s := newHistory(p)
		s.run()
		c := &s.counts
		r = result{plan: p, failures: s.failures, notes: s.notes, carried: s.carried, lasted: time.Since(s.began),
			puts: c.puts.Load(), acked: c.acked.Load(), spooled: c.spooled.Load(), refused: c.refused.Load(), unknown: c.unknown.Load(),
			reads: c.reads.Load(), pulls: c.pulls.Load(), repairs: c.repairs.Load(), crashes: c.crashes.Load(), replays: c.replays.Load()}
		for _, places := range s.truth.places {
			r.records += uint64(len(places))
		}
	})
	return r
}

func newHistory(p *plan) *history {
	s := &history{plan: p, net: newNetwork(p.seed, p.boxes()), log: logger(), began: time.Now(), chance: rand.New(rand.NewPCG(p.seed, 1))}
	s.net.least, s.net.most, s.net.loss = p.least, p.most, p.loss
	s.ctx, s.end = context.WithCancel(context.Background())
	s.spell, s.relief = context.WithCancel(s.ctx)
	s.truth, s.ledger = newTruth(s), newLedger(s)
	for i := range p.boxes() {
		s.boxes = append(s.boxes, &box{sim: s, host: i, id: uint64(i+1)<<32 | p.seed&0xffffffff, joins: i >= p.voters,
			clock: &hands{began: s.began, speed: p.speed, synced: true}, disk: newDisk()})
	}
	return s
}

func (s *history) run() {
	for _, b := range s.boxes {
		if !b.joins {
			s.launch(b)
		}
	}
	clients, stop := context.WithCancel(s.ctx)
	var writing sync.WaitGroup
	s.clients(clients, &writing)
	s.suffer()
	s.note("the faults end")
	s.heal()
	_ = rest(s.ctx, 2*time.Second)
	stop()
	writing.Wait()
	s.note("the clients have ended")
	s.joins.Wait()
	s.settleAndCheck()
	for _, b := range s.boxes {
		b.stop()
	}
	s.lives.Wait()
	s.end()
	s.errands.Wait()
}

// launch starts a box; a box that does not start is a failure.
func (s *history) launch(b *box) {
	if err := b.start(); err != nil {
		s.fail("%v", err)
	}
}

// report prints a history that failed, whole.
func (r result) report() string {
	var b strings.Builder
	b.WriteString(r.plan.String())
	notes := slices.Clone(r.notes)
	for _, n := range notes {
		b.WriteString(n + "\n")
	}
	b.WriteString("FAILURES\n")
	for _, f := range r.failures {
		b.WriteString(f + "\n")
	}
	return b.String()
}
