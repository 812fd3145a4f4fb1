package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// BenchConfig says what to measure. Its zero value, with a Folder, is what
// `headgate bench` does.
type BenchConfig struct {
	Folder string        // a new folder is made beneath it and removed again
	Shards []int         // streams to try; nil: 1, 16, 64
	Time   time.Duration // of each measurement; zero: 5 s
	Note   func(string)  // told what is being measured; may be nil
}

// BenchReport is what a box can do.
type BenchReport struct {
	Folder string       `json:"folder"`
	Disk   DiskBench    `json:"disk"`
	Lone   LoneBench    `json:"lone"`
	Shards []ShardBench `json:"shards"`
}

// DiskBench is what the disk does without us: 4 KiB appended and synced, again and again.
type DiskBench struct {
	SyncsPerSecond float64       `json:"syncs_per_second"`
	Median         time.Duration `json:"median_ns"`
	Worst          time.Duration `json:"worst_ns"`
}

// LoneBench is one producer that waits for each record before the next.
type LoneBench struct {
	RecordsPerSecond float64       `json:"records_per_second"`
	Median           time.Duration `json:"median_ns"`
	P99              time.Duration `json:"p99_ns"`
}

// ShardBench is many producers over so many shards, quotas off, every record
// durable before it counts.
type ShardBench struct {
	Shards           int     `json:"shards"`
	RecordsPerSecond float64 `json:"records_per_second"`
	BytesPerSecond   float64 `json:"bytes_per_second"` // data and keys
	SyncsPerSecond   float64 `json:"syncs_per_second"`
	BytesPerSync     float64 `json:"bytes_per_sync"`   // of what came in
	WrittenPerByte   float64 `json:"written_per_byte"` // passed to write, for each byte that came in
}

// Bench measures what this box can do, with a gateway of its own beneath the
// folder. It loads both the disk and the processors.
func Bench(ctx context.Context, c BenchConfig) (report BenchReport, err error) {
	if c.Time <= 0 {
		c.Time = 5 * time.Second
	}
	if c.Shards == nil {
		c.Shards = []int{1, 16, 64}
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return report, fmt.Errorf("bench: %w", err)
	}
	folder, err := os.MkdirTemp(c.Folder, "headgate-bench-*")
	if err != nil {
		return report, fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	report.Folder = c.Folder
	c.Note("syncs of the disk alone")
	if report.Disk, err = benchDisk(ctx, folder, c.Time/2); err != nil {
		return report, err
	}
	c.Note("one producer, one record at a time")
	if err := benchGateway(ctx, filepath.Join(folder, "lone"), 1, func(ctx context.Context, g *Gateway) error {
		report.Lone, err = benchLone(ctx, g, c.Time/2)
		return err
	}); err != nil {
		return report, err
	}
	for _, n := range c.Shards {
		c.Note(fmt.Sprintf("many producers, %d shards", n))
		if err := benchGateway(ctx, filepath.Join(folder, fmt.Sprint(n)), n, func(ctx context.Context, g *Gateway) error {
			one, err := benchShards(ctx, g, n, c.Time)
			report.Shards = append(report.Shards, one)
			return err
		}); err != nil {
			return report, err
		}
	}
	return report, nil
}

// benchDisk appends and syncs without anything of ours in between.
func benchDisk(ctx context.Context, folder string, span time.Duration) (d DiskBench, err error) {
	f, err := os.Create(filepath.Join(folder, "syncs"))
	if err != nil {
		return d, fmt.Errorf("bench disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, 4<<10)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < span && ctx.Err() == nil; {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			return d, fmt.Errorf("bench disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return d, fmt.Errorf("bench disk: %w", err)
		}
		took = append(took, time.Since(at))
	}
	d.SyncsPerSecond, d.Median, _ = spread(took)
	d.Worst = slices.Max(append(took, 0))
	return d, context.Cause(ctx)
}

// benchStream is what the benchmark writes to.
const benchStream shardlog.StreamName = "bench"

// benchGateway runs a whole gateway, its doors off, for as long as do takes.
func benchGateway(ctx context.Context, data string, shards int, do func(context.Context, *Gateway) error) error {
	c := Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Limits, c.Log.Level = data, off, off, off, 0, "error"
	c.Streams = []StreamConfig{{Name: benchStream, Shards: shards}}
	g, err := New(c)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var gateway sync.WaitGroup
	var ended error
	gateway.Go(func() {
		ended = g.Run(running)
		stop()
	})
	select {
	case <-g.Ready():
		err = do(running, g)
	case <-running.Done():
	}
	stop()
	gateway.Wait()
	return errors.Join(err, ended, context.Cause(ctx))
}

func benchLone(ctx context.Context, g *Gateway, span time.Duration) (b LoneBench, err error) {
	var took []time.Duration
	for n, began := 0, time.Now(); time.Since(began) < span && ctx.Err() == nil; n++ {
		at := time.Now()
		if err := benchPut(ctx, g, benchEntries(0, n, 1)); err != nil {
			return b, err
		}
		took = append(took, time.Since(at))
	}
	b.RecordsPerSecond, b.Median, b.P99 = spread(took)
	return b, nil
}

// benchProducers have one Put under way each, as large as PutRecords may be.
const (
	benchProducers = 32
	benchBatch     = 500
)

func benchShards(ctx context.Context, g *Gateway, shards int, span time.Duration) (ShardBench, error) {
	b := ShardBench{Shards: shards}
	began, before, disk := time.Now(), g.streams.Stats(), g.store.Stats().Disk
	until, stop := context.WithDeadline(ctx, began.Add(span))
	defer stop()
	var producers sync.WaitGroup
	var failure atomic.Pointer[error]
	for p := range benchProducers {
		producers.Go(func() {
			for n := 0; until.Err() == nil; n += benchBatch {
				if err := benchPut(ctx, g, benchEntries(p, n, benchBatch)); err != nil {
					failure.Store(&err)
					return
				}
			}
		})
	}
	producers.Wait()
	if err := failure.Load(); err != nil {
		return b, *err
	}
	took, after, now := time.Since(began).Seconds(), g.streams.Stats(), g.store.Stats().Disk
	bytes, syncs := float64(after.Bytes-before.Bytes), float64(now.Syncs-disk.Syncs)
	b.RecordsPerSecond, b.BytesPerSecond, b.SyncsPerSecond = float64(after.Records-before.Records)/took, bytes/took, syncs/took
	b.BytesPerSync, b.WrittenPerByte = bytes/max(syncs, 1), float64(now.Written-disk.Written)/max(bytes, 1)
	return b, nil
}

// benchPut puts until nothing is throttled: without quotas only the disk
// budget could refuse, which is an error here.
func benchPut(ctx context.Context, g *Gateway, entries []shardlog.Entry) error {
	results, err := g.streams.Put(ctx, benchStream, entries)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// benchEntries are readings of a hundred sensors as firmware writes them.
func benchEntries(producer, from, count int) []shardlog.Entry {
	entries := make([]shardlog.Entry, count)
	for i := range entries {
		n := from + i
		sensor := fmt.Sprintf("sensor-%03d", (producer*7+n)%100)
		entries[i] = shardlog.Entry{Key: sensor, Data: fmt.Appendf(nil, `{"device":"%s","n":%d,"at":"2026-01-31T10:%02d:%02d.%03dZ","temperature":%.2f,"humidity":%.1f,"battery":%.3f}`,
			sensor, n, n/60000%60, n/1000%60, n%1000, 21+rand.Float64(), 40+rand.Float64()*5, 3.7+rand.Float64()/50)}
	}
	return entries
}

// spread is how many a second that makes one after another, the median, and
// what one in a hundred exceeds.
func spread(took []time.Duration) (rate float64, median, p99 time.Duration) {
	if len(took) == 0 {
		return 0, 0, 0
	}
	sorted, sum := slices.Sorted(slices.Values(took)), time.Duration(0)
	for _, d := range sorted {
		sum += d
	}
	return float64(len(sorted)) / sum.Seconds(), sorted[len(sorted)/2], sorted[len(sorted)*99/100]
}
