package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/deploy/bench/internal/voters"
)

const warmUp = time.Second

// measure runs one site under load. Bytes and syncs are counted from the
// first to the last, memtables included, over everything acknowledged.
func (p plan) measure(ctx context.Context, count int) (r report, err error) {
	s, err := voters.Open(p.Dir, count)
	if err != nil {
		return report{}, err
	}
	var total uint64
	err = s.While(ctx, func(ctx context.Context) (err error) {
		r, total, err = p.load(ctx, s)
		return err
	})
	if err != nil {
		return report{}, err
	}
	used, err := child.Measure(os.Getpid())
	if err != nil {
		return report{}, err
	}
	written, syncs := s.Counts()
	stored := float64(total) * float64(p.Size) * float64(count)
	r.System, r.Nodes = fmt.Sprintf("Headgate, %d voter(s)", count), count
	r.Written = float64(written) / stored
	r.Syncs = float64(syncs) / float64(total) / float64(count)
	r.Device = float64(used.Device) / stored
	return r, nil
}

// load writes until the time is over and answers what was seen in the
// measured part, and how many blocks were acknowledged in all.
func (p plan) load(ctx context.Context, s *voters.Site) (report, uint64, error) {
	lead, err := s.Leader(ctx)
	if err != nil {
		return report{}, 0, err
	}
	pool := newPool(lead)
	if err := pool.createStreams(ctx, p.Streams, shardsOf(p)); err != nil {
		return report{}, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pool.run(ctx) })
	var (
		mu       sync.Mutex
		waits    []time.Duration
		total    atomic.Uint64
		counting atomic.Bool
	)
	for i := range p.Writers {
		w := newWriter(p, i)
		group.Go(func() error {
			own, err := w.run(ctx, pool, &counting, &total)
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, own...)
			return err
		})
	}
	rest(ctx, warmUp)
	before, err := child.Measure(os.Getpid())
	if err != nil {
		return report{}, 0, err
	}
	began := time.Now()
	counting.Store(true)
	rest(ctx, p.Length)
	counting.Store(false)
	took := time.Since(began)
	after, err := child.Measure(os.Getpid())
	if err != nil {
		return report{}, 0, err
	}
	failed := ctx.Err() != nil
	cancel()
	if err := group.Wait(); err != nil || failed {
		return report{}, 0, fmt.Errorf("write: %w", err)
	}
	return digest(waits, after.Since(before), took), total.Load(), nil
}

func digest(waits []time.Duration, used child.Usage, took time.Duration) report {
	slices.Sort(waits)
	n := max(len(waits), 1)
	at := func(q float64) float64 {
		if len(waits) == 0 {
			return 0
		}
		return float64(waits[int(q*float64(n-1))].Microseconds()) / 1000
	}
	return report{
		Commits: len(waits), Seconds: took.Seconds(), PerSecond: float64(len(waits)) / took.Seconds(), P50: at(0.5), P99: at(0.99),
		CPU: used.CPU.Seconds() * 1000 / float64(n), RSS: float64(used.RSS) / (1 << 20),
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
