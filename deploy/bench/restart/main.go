// Command restart measures how long a gateway with a large log takes from its
// start until it takes records, beside one with an empty log. It fills the log
// through the write path with records that do not compress, kills nothing,
// and starts the real binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/raftgroup"
)

func main() {
	binary := flag.String("headgate", "", "path of the headgate binary")
	gigabytes := flag.Float64("gb", 5, "size of the log in GB")
	dir := flag.String("dir", "", "a folder on the disk to measure; the default is the system's for temporary files")
	flag.Parse()
	if err := run(*binary, *dir, *gigabytes); err != nil {
		fmt.Fprintln(os.Stderr, "restart:", err)
		os.Exit(1)
	}
}

func run(binary, dir string, gigabytes float64) error {
	folder, err := os.MkdirTemp(dir, "restart-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	full := filepath.Join(folder, "full")
	began := time.Now()
	size, err := fill(filepath.Join(full, "data"), uint64(gigabytes*1e9))
	if err != nil {
		return fmt.Errorf("fill log: %w", err)
	}
	fmt.Printf("%.2f GB stored in %.0f s\n", float64(size)/1e9, time.Since(began).Seconds())
	for round := range 3 {
		for _, log := range []string{full, filepath.Join(folder, fmt.Sprint("empty", round))} {
			began := time.Now()
			h, err := child.StartHeadgate(child.HeadgateConfig{Binary: binary, Folder: log, Shards: 4, MQTT: true})
			if err != nil {
				return err
			}
			fmt.Printf("%-8s ready after %.2f s\n", filepath.Base(log), time.Since(began).Seconds())
			h.Stop()
		}
	}
	return nil
}

// fill puts until the log has that many bytes, and closes it in good order.
func fill(data string, size uint64) (uint64, error) {
	s, err := store.Open(data, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	identity := []byte("headgatebenches!") // the gateway that starts later is this one
	if err := s.SetLocal("gateway/identity", identity); err != nil {
		return 0, err
	}
	g, err := raftgroup.Open(raftgroup.Config{ID: fmt.Sprintf("%x", identity[:8]), Machine: s, Journal: s.Journal(), Locals: s, Snapshots: s})
	if err != nil {
		return 0, err
	}
	l, err := streams.New(streams.Config{Gateway: 1, Incarnation: 1, Proposer: g, Catalog: s, States: s, Ground: s, Limits: quota.Limits{Off: true}})
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	var stored atomic.Uint64
	group.Go(func() error { return g.Run(ctx) })
	group.Go(func() error { return g.Lead(ctx, l.Run) })
	group.Go(func() error {
		defer stop()
		if err := g.Await(ctx); err != nil {
			return err
		}
		if err := l.CreateStream(ctx, shardlog.StreamSpec{Name: "telemetry", Shards: 4}); err != nil {
			return err
		}
		random := rand.NewChaCha8([32]byte{1})
		for stored.Load() < size {
			var entries []shardlog.Entry
			for i := range 16 {
				b := make([]byte, 60<<10)
				random.Read(b)
				entries = append(entries, shardlog.Entry{Key: fmt.Sprint(i), Data: b})
				stored.Add(uint64(len(b)))
			}
			if _, err := l.Put(ctx, "telemetry", entries); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return 0, err
	}
	return stored.Load(), s.Close()
}
