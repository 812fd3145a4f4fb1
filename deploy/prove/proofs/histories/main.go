// Command histories proves on the real binary that a site of gateways keeps
// one log per shard, whatever happens to it: gateways run as hosts of a lab,
// AWS SDKs put and read through each of them, and meanwhile processes are
// killed and stopped, links cut one way or both, disks slow or full, clocks
// wrong. It ends with 0 when every round's history keeps the laws of package
// history; a history that breaks one is written whole.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	headgate string
	gateways int
	shards   int
	writers  int // on each host
	seed     uint64
	span     time.Duration
	rounds   int
	faults   []string
	out      string // folder for histories that break a law
	keep     bool   // the others too
	level    string // of the gateways' logs
}

func main() {
	var o options
	faults := flag.String("faults", "all", "all (but amnesia), none, or some of "+strings.Join(faultNames(), ","))
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.IntVar(&o.gateways, "gateways", 3, "gateways, each on a host of its own")
	flag.IntVar(&o.shards, "shards", 3, "shards of the stream")
	flag.IntVar(&o.writers, "writers", 3, "clients that put, on each host")
	flag.Uint64Var(&o.seed, "seed", 0, "of the first round; 0: by the clock")
	flag.DurationVar(&o.span, "for", 20*time.Second, "how long each round's clients and faults last")
	flag.IntVar(&o.rounds, "rounds", 1, "rounds, each on a new site, seeds counting up")
	flag.StringVar(&o.out, "out", ".", "folder for a history that breaks a law, with the gateways' logs")
	flag.BoolVar(&o.keep, "keep", false, "write histories that keep the laws too")
	flag.StringVar(&o.level, "level", "warn", "of the gateways' logs")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := o.choose(*faults)
	if err == nil {
		err = prove(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "histories: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("histories: proven")
}

// choose takes the faults that were asked for.
func (o *options) choose(list string) error {
	switch list {
	case "all":
		o.faults = survivable()
	case "none":
	default:
		o.faults = strings.Split(list, ",")
	}
	for _, name := range o.faults {
		if !slices.Contains(faultNames(), name) {
			return fmt.Errorf("no fault is called %q; there are %s", name, strings.Join(faultNames(), ", "))
		}
	}
	if o.gateways < 1 || o.shards < 1 || o.writers < 1 || o.rounds < 1 {
		return errors.New("gateways, shards, writers and rounds are 1 or more")
	}
	return nil
}

// prove runs the rounds and prints their figures; it goes on after a round
// that broke a law, and answers all that was wrong.
func prove(ctx context.Context, o options) (all error) {
	var total figures
	for n := range o.rounds {
		seed := o.seed + uint64(n)
		r := &round{o: o, seed: seed}
		err := r.run(ctx)
		r.figures.seconds = r.recorder.since().Seconds()
		fmt.Printf("round %d, seed %d: %v\n", n+1, seed, &r.figures)
		total.add(&r.figures)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("seed %d: %w", seed, err))
		}
		if ctx.Err() != nil {
			return errors.Join(all, ctx.Err())
		}
	}
	total.print(o)
	return all
}
