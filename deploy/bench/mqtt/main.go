// Command mqtt measures durable QoS 1 publishes a second with one client and
// with a hundred, for headgate, NATS JetStream and Mosquitto in turns, beside
// what the disk allows to whoever syncs once for each message. It asserts
// nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"headgate/deploy/bench/internal/child"
)

// Result is one turn of one broker under one load.
type Result struct {
	Broker    string  `json:"broker"`
	Turn      int     `json:"turn"`
	Clients   int     `json:"clients"`
	Window    int     `json:"window"`
	PerSecond float64 `json:"publishes_per_second"`
	Median    float64 `json:"median_ms"`
	Worst     float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_microseconds_per_publish"`
	RSS       uint64  `json:"rss_bytes"`
	Device    float64 `json:"device_bytes_per_publish"`
	Syncs     float64 `json:"disk_syncs_per_second"` // one by one, just before this turn
}

type settings struct {
	headgate, nats, natsSource, mosquitto, dir string
	seconds, turns                             int
	json                                       bool
}

func main() {
	var s settings
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	flag.StringVar(&s.nats, "nats", "", "binary of deploy/peers/nats (default: built)")
	flag.StringVar(&s.natsSource, "nats-source", "deploy/peers/nats", "where it is built from")
	flag.StringVar(&s.mosquitto, "mosquitto", "/usr/sbin/mosquitto", "binary of Mosquitto")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.IntVar(&s.seconds, "seconds", 8, "length of each load")
	flag.IntVar(&s.turns, "turns", 2, "turns of each broker")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "mqtt:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	dir, err := os.MkdirTemp(s.dir, "headgate-bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if s.headgate == "" {
		if s.headgate, err = child.Build(dir, ".", "headgate/cmd/headgate", "headgate"); err != nil {
			return err
		}
	}
	if s.nats == "" {
		if s.nats, err = child.Build(dir, s.natsSource, ".", "nats"); err != nil {
			return err
		}
	}
	var all []Result
	for turn := 1; turn <= s.turns; turn++ {
		for _, clients := range []int{1, 100} {
			for _, b := range brokers {
				r, err := measure(s, filepath.Join(dir, "turn"), b, clients)
				if err != nil {
					return fmt.Errorf("%s: %w", b.name, err)
				}
				r.Turn = turn
				all = append(all, r)
				if err := os.RemoveAll(filepath.Join(dir, "turn")); err != nil {
					return fmt.Errorf("clean up: %w", err)
				}
			}
		}
	}
	if s.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return table(all)
}

// measure runs one broker on a fresh folder under one load.
func measure(s settings, folder string, b broker, clients int) (Result, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return Result{}, fmt.Errorf("make folder: %w", err)
	}
	syncs, err := syncRate(folder, 2*time.Second)
	if err != nil {
		return Result{}, err
	}
	pid, address, stop, err := b.start(s, folder)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	window := 1000
	if clients > 1 {
		window = 100
	}
	r, err := load{pid: pid, address: address, clients: clients, window: window, subscribe: b.subscriber}.run(time.Duration(s.seconds) * time.Second)
	r.Broker, r.Clients, r.Window, r.Syncs = b.name, clients, window, syncs
	return r, err
}

// table prints each result, with headgate's rate as a multiple of the row's.
func table(all []Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BROKER\tCLIENTS\tTURN\tPUBLISHES/S\tHEADGATE IS\tx ONE SYNC EACH\tMEDIAN ms\tP99 ms\tCPU µs\tRSS MB\tDEVICE B")
	ours := 0.0
	for _, r := range all {
		if r.Broker == brokers[0].name {
			ours = r.PerSecond
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.0f\t%.1fx\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%.0f\n", r.Broker, r.Clients, r.Turn, r.PerSecond,
			ours/r.PerSecond, r.PerSecond/r.Syncs, r.Median, r.Worst, r.CPU, r.RSS>>20, r.Device)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	least, most := all[0].Syncs, all[0].Syncs
	for _, r := range all {
		least, most = min(least, r.Syncs), max(most, r.Syncs)
	}
	_, err := fmt.Printf("one message of %d bytes, one fdatasync: %.0f to %.0f a second\n", payloadBytes, least, most)
	return err
}
