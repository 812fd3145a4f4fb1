package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

// BenchReport is what a box can do.
type BenchReport struct {
	Folder string       `json:"folder"`
	Sync   SyncBench    `json:"sync"`
	Put    []ShardBench `json:"put"`
}

// SyncBench is the disk alone: small appends, each synced.
type SyncBench struct {
	PerSecond float64       `json:"syncs_per_second"`
	Median    time.Duration `json:"median_ns"`
	Worst     time.Duration `json:"worst_ns"`
}

// ShardBench is the whole write path: telemetry of 200 bytes from producers
// that wait for their answers, into so many shards without limits.
type ShardBench struct {
	Shards    int     `json:"shards"`
	PerSecond float64 `json:"records_per_second"`
	PerSync   float64 `json:"bytes_per_sync"`            // that came in
	PerByte   float64 `json:"written_per_ingested_byte"` // passed to write
}

const (
	benchSyncs     = 2 * time.Second
	benchPuts      = 4 * time.Second
	benchProducers = 16
	benchRecords   = 100 // of one Put
)

// Bench measures what the disk under dir and this processor can do. It works
// in a folder of its own there, which it takes away again. It tells progress
// what it is at.
func Bench(ctx context.Context, dir string, progress func(what string)) (BenchReport, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return BenchReport{}, fmt.Errorf("bench: %w", err)
	}
	folder, err := os.MkdirTemp(dir, "bench-*")
	if err != nil {
		return BenchReport{}, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(folder)
	r := BenchReport{Folder: dir}
	progress("syncs of the disk")
	if r.Sync, err = benchSync(ctx, filepath.Join(folder, "sync")); err != nil {
		return r, err
	}
	for _, shards := range []int{1, 16, 64} {
		progress(fmt.Sprintf("durable records into %d shards", shards))
		one, err := benchShards(ctx, filepath.Join(folder, fmt.Sprint(shards)), shards)
		if err != nil {
			return r, err
		}
		r.Put = append(r.Put, one)
	}
	return r, nil
}

func benchSync(ctx context.Context, name string) (SyncBench, error) {
	f, err := os.Create(name)
	if err != nil {
		return SyncBench{}, fmt.Errorf("bench: %w", err)
	}
	defer f.Close()
	var times []time.Duration
	line := make([]byte, 512)
	began := time.Now()
	for time.Since(began) < benchSyncs && ctx.Err() == nil {
		at := time.Now()
		if _, err := f.Write(line); err != nil {
			return SyncBench{}, fmt.Errorf("bench: %w", err)
		}
		if err := f.Sync(); err != nil {
			return SyncBench{}, fmt.Errorf("bench: %w", err)
		}
		times = append(times, time.Since(at))
	}
	if len(times) == 0 {
		return SyncBench{}, ctx.Err()
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	return SyncBench{float64(len(times)) / time.Since(began).Seconds(), times[len(times)/2], times[len(times)-1]}, ctx.Err()
}

// benchShards runs a gateway without doors and puts into it.
func benchShards(ctx context.Context, data string, shards int) (ShardBench, error) {
	c := Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Limits, c.Log.Level = data, off, off, off, 0, "error"
	c.Streams = []StreamConfig{{Name: "bench", Shards: shards}}
	g, err := New(c)
	if err != nil {
		return ShardBench{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return g.Run(running) })
	one := ShardBench{Shards: shards}
	group.Go(func() error {
		defer stop()
		select {
		case <-g.Ready():
		case <-running.Done():
			return running.Err()
		}
		return one.load(running, g)
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return one, fmt.Errorf("bench: %w", err)
	}
	return one, ctx.Err()
}

// load puts with all producers until the time is over.
func (b *ShardBench) load(ctx context.Context, g *Gateway) error {
	for { // the stream of the configuration is made right after the start
		if _, ok := g.store.Stream("bench"); ok {
			break
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	before, began := g.store.Stats(), time.Now()
	var records, bytes atomic.Uint64
	group, ctx := errgroup.WithContext(ctx)
	for p := range benchProducers {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(1, uint64(p)))
			for time.Since(began) < benchPuts && ctx.Err() == nil {
				entries, size := benchEntries(random, p)
				if _, err := g.streams.Put(ctx, "bench", entries); err != nil {
					return err
				}
				records.Add(uint64(len(entries)))
				bytes.Add(uint64(size))
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	after, took := g.store.Stats(), time.Since(began).Seconds()
	b.PerSecond = float64(records.Load()) / took
	b.PerByte = float64(after.Disk.Written-before.Disk.Written) / float64(bytes.Load())
	b.PerSync = float64(bytes.Load()) / float64(max(1, after.Disk.Syncs-before.Disk.Syncs))
	return nil
}

func benchEntries(random *rand.Rand, producer int) ([]shardlog.Entry, int) {
	entries, size := make([]shardlog.Entry, benchRecords), 0
	for i := range entries {
		device := producer*31 + i%31
		entries[i] = shardlog.Entry{Key: fmt.Sprintf("device-%04d", device), Data: fmt.Appendf(nil,
			`{"device":"device-%04d","time":%d,"sensor":"temperature","value":%.2f,"unit":"celsius","humidity":%.1f,"battery":%d,"rssi":%d,"status":"ok","firmware":"2.4.1","site":"plant-7"}`,
			device, 1_764_000_000_000+random.Int64N(1e9), 18+6*random.Float64(), 40+20*random.Float64(), 60+random.IntN(40), -90+random.IntN(40))}
		size += entries[i].Size()
	}
	return entries, size
}
