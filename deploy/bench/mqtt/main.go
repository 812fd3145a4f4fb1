// Command mqtt measures durable publishes a second with one client and with
// many, for headgate, NATS JetStream, Mosquitto and stock mochi in turns, beside
// what the disk allows to whoever syncs once for each message; with --mode idle
// the memory of connections that are silent, with --mode fair how long one
// message takes beside a client that floods. It asserts nothing.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"headgate/deploy/bench/internal/child"
)

// Result is one turn of one broker under one load.
type Result struct {
	Broker    string  `json:"broker"`
	Turn      int     `json:"turn"`
	QoS       int     `json:"qos"`
	Clients   int     `json:"clients"`
	Window    int     `json:"window"`
	PerSecond float64 `json:"publishes_per_second"`
	Median    float64 `json:"median_ms"`
	Worst     float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_microseconds_per_publish"`
	RSS       uint64  `json:"rss_bytes"`
	Device    float64 `json:"device_bytes_per_publish"`
	Syncs     float64 `json:"disk_syncs_per_second"` // one by one, just before this turn
	Fault     string  `json:"fault,omitempty"`       // why there is no figure
}

type settings struct {
	headgate, nats, natsSource, mochi, mochiSource, mosquitto, dir string
	mode, only, profile                                            string
	clients, qos                                                   []int
	seconds, turns, rate                                           int
	json                                                           bool
}

func main() {
	var s settings
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	flag.StringVar(&s.nats, "nats", "", "binary of deploy/peers/nats (default: built)")
	flag.StringVar(&s.natsSource, "nats-source", "deploy/peers/nats", "where it is built from")
	flag.StringVar(&s.mochi, "mochi", "", "binary of deploy/peers/mochi (default: built)")
	flag.StringVar(&s.mochiSource, "mochi-source", "deploy/peers/mochi", "where it is built from")
	flag.StringVar(&s.mode, "mode", "publish", "publish, idle or fair")
	flag.StringVar(&s.profile, "profile", "default", "how often headgate may sync: default, flash or ssd")
	flag.IntVar(&s.rate, "rate", 0, "messages a second that headgate takes of one device; 0: any")
	flag.StringVar(&s.only, "only", "", "measure only the broker of this name")
	clients := flag.String("clients", "1,100,5000", "numbers of clients; of --mode idle the first")
	qos := flag.String("qos", "1,2", "levels to publish with")
	flag.StringVar(&s.mosquitto, "mosquitto", "/usr/sbin/mosquitto", "binary of Mosquitto")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.IntVar(&s.seconds, "seconds", 8, "length of each load")
	flag.IntVar(&s.turns, "turns", 2, "turns of each broker")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	err := errors.Join(numbers(*clients, &s.clients), numbers(*qos, &s.qos))
	if err == nil {
		err = run(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mqtt:", err)
		os.Exit(1)
	}
}

// numbers reads a list.
func numbers(text string, into *[]int) error {
	for _, one := range strings.Split(text, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no list of numbers", text)
		}
		*into = append(*into, n)
	}
	return nil
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
	if s.mochi == "" {
		if s.mochi, err = child.Build(dir, s.mochiSource, ".", "mochi"); err != nil {
			return err
		}
	}
	var all []Result
	switch s.mode {
	case "idle":
		return s.each(filepath.Join(dir, "turn"), func(folder string, b broker) error { return idle(s, folder, b) })
	case "fair":
		return s.each(filepath.Join(dir, "turn"), func(folder string, b broker) error { return fair(s, folder, b) })
	}
	for turn := 1; turn <= s.turns; turn++ {
		for _, qos := range s.qos {
			for _, clients := range s.clients {
				err := s.each(filepath.Join(dir, "turn"), func(folder string, b broker) error {
					r, err := measure(s, folder, b, clients, byte(qos))
					if err != nil && b.name != brokers[0].name { // a peer that gives up has a row that says so
						r = Result{Broker: b.name, QoS: qos, Clients: clients, Fault: err.Error()}
						err = nil
					}
					r.Turn = turn
					all = append(all, r)
					return err
				})
				if err != nil {
					return err
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

// each does something with each broker, on a fresh folder.
func (s settings) each(folder string, do func(folder string, b broker) error) error {
	for _, b := range brokers {
		if s.only != "" && s.only != b.name {
			continue
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := do(folder, b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	return nil
}

// measure runs one broker under one load.
func measure(s settings, folder string, b broker, clients int, qos byte) (Result, error) {
	syncs, err := syncRate(folder, 2*time.Second)
	if err != nil {
		return Result{}, err
	}
	pid, address, stop, err := b.start(s, folder)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	window := min(1000, max(10, 10000/clients))
	r, err := load{pid: pid, address: address, clients: clients, window: window, qos: qos, subscribe: b.subscriber}.run(time.Duration(s.seconds) * time.Second)
	r.Broker, r.QoS, r.Clients, r.Window, r.Syncs = b.name, int(qos), clients, window, syncs
	return r, err
}

// table prints each result, with headgate's rate as a multiple of the row's.
func table(all []Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BROKER\tQOS\tCLIENTS\tTURN\tPUBLISHES/S\tHEADGATE IS\tx ONE SYNC EACH\tMEDIAN ms\tP99 ms\tCPU µs\tRSS MB\tDEVICE B")
	ours := 0.0
	for _, r := range all {
		if r.Broker == brokers[0].name {
			ours = r.PerSecond
		}
		if r.PerSecond == 0 {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\tnothing: %s\n", r.Broker, r.QoS, r.Clients, r.Turn, r.Fault)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.0f\t%.1fx\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%.0f\n", r.Broker, r.QoS, r.Clients, r.Turn, r.PerSecond,
			ours/r.PerSecond, r.PerSecond/r.Syncs, r.Median, r.Worst, r.CPU, r.RSS>>20, r.Device)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	least, most := all[0].Syncs, all[0].Syncs
	for _, r := range all {
		if r.Syncs == 0 {
			continue
		}
		least, most = min(least, r.Syncs), max(most, r.Syncs)
	}
	_, err := fmt.Printf("one message of %d bytes, one fdatasync: %.0f to %.0f a second\n", payloadBytes, least, most)
	return err
}
