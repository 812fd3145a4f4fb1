package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	defaultLength = 6 * time.Second
	warmUp        = time.Second
)

// bench is closed-loop writers of incompressible messages into file streams.
type bench struct {
	dir                           string
	nodes, streams, writers, size int
	payloads                      string // a file of messages, one a line; "": noise of size
	length                        time.Duration
}

// report is what bench prints. Bytes and CPU are of the whole process, all
// nodes together, clients included.
type report struct {
	System     string  `json:"system"`
	Nodes      int     `json:"nodes"`
	Commits    int     `json:"commits"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"commits_per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	CPU        float64 `json:"cpu_ms_per_commit"`
	WriteBytes float64 `json:"device_bytes_per_byte_per_node"`
	RSS        float64 `json:"rss_mb"`
	Failures   int     `json:"failures"`
}

func (b bench) run(ctx context.Context) error {
	servers, err := cluster(b.dir, b.nodes)
	if err != nil {
		return err
	}
	defer shutdown(servers)
	urls, err := b.make(ctx, servers)
	if err != nil {
		return err
	}
	r, err := b.write(ctx, urls)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func stream(i int) string { return fmt.Sprintf("S%d", i) }

// make creates the streams and answers, for each, the address of its leader:
// writers ask the server that needs to forward nothing.
func (b bench) make(ctx context.Context, servers []*server.Server) ([]string, error) {
	c, err := nats.Connect(servers[0].ClientURL())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	byName := map[string]string{}
	for _, s := range servers {
		byName[s.Name()] = s.ClientURL()
	}
	var urls []string
	for i := range b.streams {
		url, err := makeStream(ctx, js, i, b.nodes, byName)
		if err != nil {
			return nil, fmt.Errorf("make stream %d: %w", i, err)
		}
		urls = append(urls, url)
	}
	return urls, nil
}

// makeStream repeats until the cluster has found itself.
func makeStream(ctx context.Context, js jetstream.JetStream, i, replicas int, byName map[string]string) (string, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		s, err := js.CreateOrUpdateStream(attempt, jetstream.StreamConfig{
			Name: stream(i), Subjects: []string{stream(i)}, Replicas: replicas, Storage: jetstream.FileStorage,
			Duplicates: 100 * time.Millisecond, // no message ids are sent
		})
		cancel()
		if err == nil {
			info := s.CachedInfo()
			if info.Cluster == nil || info.Cluster.Leader == "" {
				return byName["n0"], nil
			}
			if url := byName[info.Cluster.Leader]; url != "" {
				return url, nil
			}
			err = fmt.Errorf("leader %q is unknown", info.Cluster.Leader)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", errors.Join(err, ctx.Err())
		}
	}
}

func (b bench) write(ctx context.Context, urls []string) (report, error) {
	var (
		mu       sync.Mutex
		waits    []time.Duration
		failures atomic.Int64
		counting atomic.Bool
		all      sync.WaitGroup
	)
	sources, err := payloads(b.payloads, b.size, b.writers)
	if err != nil {
		return report{}, err
	}
	var bytes atomic.Int64
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range b.writers {
		at := i % b.streams
		c, err := nats.Connect(urls[at])
		if err != nil {
			return report{}, err
		}
		defer c.Close()
		js, err := jetstream.New(c)
		if err != nil {
			return report{}, err
		}
		next := sources(i)
		all.Go(func() {
			var own []time.Duration
			for ctx.Err() == nil {
				data := next()
				start := time.Now()
				_, err := js.Publish(ctx, stream(at), data)
				switch {
				case !counting.Load() || ctx.Err() != nil:
				case err != nil:
					failures.Add(1)
				default:
					own = append(own, time.Since(start))
					bytes.Add(int64(len(data)))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, own...)
		})
	}
	rest(ctx, warmUp)
	before, began := look(), time.Now()
	counting.Store(true)
	rest(ctx, b.length)
	counting.Store(false)
	after, took := look(), time.Since(began)
	cancel()
	all.Wait()
	return b.report(waits, int(failures.Load()), float64(bytes.Load()), after.since(before), took), nil
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (b bench) report(waits []time.Duration, failures int, bytes float64, used usage, took time.Duration) report {
	slices.Sort(waits)
	at := func(q float64) float64 {
		if len(waits) == 0 {
			return 0
		}
		return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) / 1000
	}
	n := float64(max(len(waits), 1))
	return report{
		System: fmt.Sprintf("NATS JetStream %s R%d, sync always", server.VERSION, b.nodes), Nodes: b.nodes,
		Commits: len(waits), Seconds: took.Seconds(), PerSecond: float64(len(waits)) / took.Seconds(),
		P50: at(0.5), P99: at(0.99), CPU: used.cpu.Seconds() * 1000 / n,
		WriteBytes: float64(used.device) / max(bytes, 1) / float64(b.nodes),
		RSS:        float64(used.rss) / (1 << 20), Failures: failures,
	}
}
