// Command replication measures what a site of three gateways does: single
// records put one at a time by 64 writers in a closed loop over 16 streams,
// through the whole write path, beside embedded NATS JetStream R3 with sync
// always, on the same disk in the same run; then what three real processes
// take when nothing happens, how long they are without a leader when it is
// killed, and how fast one that was away catches up.
//
//	go run ./deploy/bench/replication [--for 6s] [--rounds 2] [--failovers 20] [-o json]
//
// Every measurement is a process of its own, in a network of its own where we
// are root, one after the other. NATS comes from deploy/peers/nats; without it
// its rows are missing.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"headgate/deploy/bench/internal/child"
)

// plan is what is measured.
type plan struct {
	Dir       string
	Length    time.Duration
	Idle      time.Duration
	Rounds    int
	Writers   int
	Streams   int
	Size      int
	Failovers int
	Away      int // MB that a gateway misses while it is away
	Peer      string
	Binary    string
	JSON      bool

	// Of a process that is one measurement.
	Measure  string // puts or site; "": this is the comparison
	Payloads string // file of payloads, one a line; "": noise of Size bytes
	Syncs    int    // what the profile allows a second
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := parse(os.Args[1:])
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "replication:", err)
		os.Exit(1)
	}
}

func parse(args []string) (plan, error) {
	p := plan{}
	flags := flag.NewFlagSet("replication", flag.ContinueOnError)
	flags.StringVar(&p.Dir, "dir", "", "a folder on the disk to measure; the default is the system's for temporary files")
	flags.DurationVar(&p.Length, "for", 6*time.Second, "length of one measurement of puts")
	flags.DurationVar(&p.Idle, "idle", 10*time.Second, "how long to look at an idle site")
	flags.IntVar(&p.Rounds, "rounds", 2, "measurements of each system's puts")
	flags.IntVar(&p.Writers, "writers", 64, "writers, each with one record in flight")
	flags.IntVar(&p.Streams, "streams", 16, "streams, of one shard each")
	flags.IntVar(&p.Size, "size", 4096, "bytes of a record of noise")
	flags.IntVar(&p.Failovers, "failovers", 20, "times a leader is killed")
	flags.IntVar(&p.Away, "away", 64, "MB that a gateway misses while it is away")
	flags.StringVar(&p.Peer, "nats", child.Peer("nats"), "the program of deploy/peers/nats")
	flags.StringVar(&p.Binary, "headgate", "", "the binary; the default builds it from this source")
	flags.StringVar(&p.Measure, "measure", "", "do one measurement here and print JSON: puts or site")
	flags.StringVar(&p.Payloads, "payloads", "", "of one measurement: a file of payloads, one a line; the default is noise")
	flags.IntVar(&p.Syncs, "syncs", 0, "of one measurement: syncs a second while little waits; the default is the gateway's")
	form := flags.String("o", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	p.JSON = *form == "json"
	if p.Length <= 0 || p.Rounds < 1 || p.Writers < 1 || p.Streams < 1 || p.Size < 1 || p.Size > 512<<10 {
		return p, fmt.Errorf("a positive length, rounds, writers, streams and size are wanted, and records of at most 512 KB")
	}
	return p, nil
}

func (p plan) run(ctx context.Context) error {
	var result any
	var err error
	switch p.Measure {
	case "puts":
		result, err = p.puts(ctx)
	case "site":
		result, err = p.site(ctx)
	case "":
		return p.compareAndPrint(ctx)
	default:
		err = fmt.Errorf("there is no measurement %q", p.Measure)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
