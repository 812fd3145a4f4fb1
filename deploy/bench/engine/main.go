// Command engine measures the consensus engine and its store against embedded
// NATS JetStream with sync always, on the same disk in the same run: 64
// writers in a closed loop, incompressible blocks of 4 KB in 16 streams.
//
//	go run ./deploy/bench/engine [--for 6s] [--rounds 2] [-o json]
//
// Every measurement is a process of its own, one after the other, round by
// round. NATS comes from deploy/peers/nats; without it its rows are missing.
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
	Dir     string
	Length  time.Duration
	Rounds  int
	Writers int
	Streams int
	Size    int
	Peer    string
	JSON    bool
	Voters  int // not zero: this process is one measurement
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := parse(os.Args[1:])
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func parse(args []string) (plan, error) {
	p := plan{}
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.StringVar(&p.Dir, "dir", "", "a folder on the disk to measure; the default is the system's for temporary files")
	flags.DurationVar(&p.Length, "for", 6*time.Second, "length of one measurement")
	flags.IntVar(&p.Rounds, "rounds", 2, "measurements of each system")
	flags.IntVar(&p.Writers, "writers", 64, "writers, each with one block in flight")
	flags.IntVar(&p.Streams, "streams", 16, "streams")
	flags.IntVar(&p.Size, "size", 4096, "bytes of a block's record")
	flags.StringVar(&p.Peer, "nats", child.Peer("nats"), "the program of deploy/peers/nats")
	flags.IntVar(&p.Voters, "voters", 0, "measure this many voters here and print JSON")
	form := flags.String("o", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	p.JSON = *form == "json"
	if p.Length <= 0 || p.Rounds < 1 || p.Writers < 1 || p.Streams < 1 || p.Size < 1 || p.Size > 512<<10 {
		return p, fmt.Errorf("a positive length, rounds, writers, streams and size are wanted, and blocks of at most 512 KB")
	}
	return p, nil
}

func (p plan) run(ctx context.Context) error {
	if p.Voters > 0 {
		r, err := p.measure(ctx, p.Voters)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	all, err := p.compare(ctx)
	if err != nil {
		return err
	}
	if p.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return all.print(os.Stdout)
}
