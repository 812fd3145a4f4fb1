package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/deploy/bench/internal/voters"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/streams"
)

// putsReport is one measurement of puts; NATS's program prints the same
// fields. CPU, device bytes and memory are of the whole process: all nodes and
// the writers. Bytes are for each byte of the records' data, on each node.
type putsReport struct {
	System    string  `json:"system"`
	Payload   string  `json:"payload"`
	Commits   int     `json:"commits"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"commits_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_ms_per_commit"`
	Syncs     float64 `json:"syncs_per_commit_per_node,omitempty"`
	Written   float64 `json:"written_bytes_per_byte_per_node,omitempty"`
	Device    float64 `json:"device_bytes_per_byte_per_node"`
	RSS       float64 `json:"rss_mb"`
	Failures  int     `json:"failures"`
}

const (
	gateways = 3
	warmUp   = time.Second
)

// puts measures the write path over three voters in this process.
func (p plan) puts(ctx context.Context) (r putsReport, err error) {
	payloads, err := readPayloads(p)
	if err != nil {
		return r, err
	}
	s, err := voters.Open(p.Dir, gateways)
	if err != nil {
		return r, err
	}
	var all total
	err = s.While(ctx, func(ctx context.Context) (err error) {
		r, all, err = p.load(ctx, s, payloads)
		return err
	})
	if err != nil {
		return r, err
	}
	used, err := child.Measure(os.Getpid())
	if err != nil {
		return r, err
	}
	// Bytes and syncs count from the first to the last, closing included, over
	// everything acknowledged.
	written, syncs := s.Counts()
	r.Written = float64(written) / float64(all.bytes.Load()) / gateways
	r.Device = float64(used.Device) / float64(all.bytes.Load()) / gateways
	r.Syncs = float64(syncs) / float64(all.records.Load()) / gateways
	r.System = "Headgate, profile default"
	if p.Syncs > 0 {
		r.System = "Headgate, profile ssd"
	}
	return r, nil
}

// total is what was acknowledged, the warm-up included.
type total struct{ records, bytes *atomic.Uint64 }

// load writes until the time is over.
func (p plan) load(ctx context.Context, s *voters.Site, payloads payloads) (putsReport, total, error) {
	all := total{new(atomic.Uint64), new(atomic.Uint64)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	log, err := lead(ctx, s, group, p.Syncs)
	if err != nil {
		return putsReport{}, all, err
	}
	for i := range p.Streams {
		if err := log.CreateStream(ctx, shardlog.StreamSpec{Name: stream(i), Shards: 1}); err != nil {
			return putsReport{}, all, err
		}
	}
	var (
		mu       sync.Mutex
		waits    []time.Duration
		counting atomic.Bool
	)
	for i := range p.Writers {
		group.Go(func() error {
			own, err := write(ctx, log, stream(i%p.Streams), payloads.of(i), &counting, all)
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, own...)
			return err
		})
	}
	rest(ctx, warmUp)
	before, err := child.Measure(os.Getpid())
	if err != nil {
		return putsReport{}, all, err
	}
	began := time.Now()
	counting.Store(true)
	rest(ctx, p.Length)
	counting.Store(false)
	took := time.Since(began)
	after, err := child.Measure(os.Getpid())
	failed := ctx.Err() != nil
	cancel()
	if e := group.Wait(); e != nil || failed || err != nil {
		return putsReport{}, all, fmt.Errorf("write: %w", e)
	}
	return digest(waits, after.Since(before), took), all, nil
}

func stream(i int) shardlog.StreamName { return shardlog.StreamName(fmt.Sprint("s", i)) }

// lead gives every voter a write path, as a gateway has it, and answers that
// of the leader.
func lead(ctx context.Context, s *voters.Site, group *errgroup.Group, syncs int) (*streams.Log, error) {
	leader, err := s.Leader(ctx)
	if err != nil {
		return nil, err
	}
	var leads *streams.Log
	for i, n := range s.Nodes {
		l, err := streams.New(streams.Config{
			Gateway: uint64(i + 1), Incarnation: 1, Proposer: n.Group, Catalog: n.Store, States: n.Store, Ground: n.Store, Gaps: n.Store,
			Limits: quota.Limits{Off: true}, SyncsPerSecond: syncs, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return nil, err
		}
		group.Go(func() error { return n.Group.Lead(ctx, l.Run) })
		group.Go(func() error { return n.Group.Lead(ctx, l.Retain) })
		if n == leader {
			leads = l
		}
	}
	return leads, nil
}

// write puts one record after the other.
func write(ctx context.Context, to *streams.Log, name shardlog.StreamName, next func() []byte, counting *atomic.Bool, all total) (waits []time.Duration, _ error) {
	key := string(name) + " writer"
	for ctx.Err() == nil {
		data := next()
		start := time.Now()
		// What was handed over is waited for: stopping in the middle would be measured as a failure.
		results, err := to.Put(context.WithoutCancel(ctx), name, []shardlog.Entry{{Key: key, Data: data}})
		if err == nil {
			err = results[0].Err
		}
		if err != nil {
			if ctx.Err() != nil {
				return waits, nil // the write path ended before
			}
			return waits, err
		}
		all.records.Add(1)
		all.bytes.Add(uint64(len(data)))
		if counting.Load() {
			waits = append(waits, time.Since(start))
		}
	}
	return waits, nil
}

func digest(waits []time.Duration, used child.Usage, took time.Duration) putsReport {
	slices.Sort(waits)
	n := max(len(waits), 1)
	return putsReport{
		Commits: len(waits), Seconds: took.Seconds(), PerSecond: float64(len(waits)) / took.Seconds(),
		P50: millis(quantile(waits, 0.5)), P99: millis(quantile(waits, 0.99)),
		CPU: millis(used.CPU) / float64(n), RSS: float64(used.RSS) / (1 << 20),
	}
}

// quantile wants sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
