// Command kinesis proves that an application which knows Kinesis finds all of
// it here: through the unmodified AWS SDK it writes under load while shards
// split and merge and the gateway is killed; a polling reader and a fan-out
// consumer follow the shards' lineage. It ends with 0 when both were given
// every acknowledged record, in the order of its key, and a shard that is
// written to too fast refuses as Kinesis does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	headgate string
	writing  time.Duration
	kills    int
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 10 minutes of writing, 12 kills")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.DurationVar(&o.writing, "for", 15*time.Second, "how long to write")
	flag.IntVar(&o.kills, "kills", 2, "times the gateway is killed meanwhile")
	flag.Parse()
	if *full {
		o.writing, o.kills = 10*time.Minute, 12
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := prove(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "kinesis: not proven:", err)
		os.Exit(1)
	}
	fmt.Println("kinesis: proven")
}

func prove(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "kinesis-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := newGateway(o.headgate, dir)
	if err != nil {
		return err
	}
	if err := g.start(ctx); err != nil {
		return err
	}
	defer g.kill()
	limits, err := overload(ctx, g)
	if err != nil {
		return err
	}
	quick, err := latency(ctx, g)
	if err != nil {
		return err
	}
	order, err := reshard(ctx, g, o)
	if err != nil {
		return err
	}
	fmt.Printf("%v%v%v", limits, quick, order)
	return errors.Join(limits.err(), order.err())
}

// reshard writes under load while shards come and go, and reads in both ways.
func reshard(ctx context.Context, g *gateway, o options) (*figures, error) {
	k := g.client()
	if err := create(ctx, k, "orders", 2); err != nil {
		return nil, err
	}
	f := &figures{polled: newReading(), pushed: newReading()}
	w := newWriter(k, "orders")
	readers, stop := context.WithCancel(ctx)
	defer stop()
	var both errgroup.Group
	both.Go(func() error { return poll(readers, k, "orders", f.polled) })
	both.Go(func() error { return push(readers, k, "orders", f.pushed) })
	var load errgroup.Group
	writing, end := context.WithTimeout(ctx, o.writing)
	defer end()
	load.Go(func() error { return w.run(writing) })
	load.Go(func() (err error) {
		f.splits, f.merges, err = shuffle(writing, k, "orders")
		return err
	})
	load.Go(func() error { return g.killAgain(writing, o, &f.kills) })
	if err := load.Wait(); err != nil {
		return nil, err
	}
	f.acked = w.acked
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for late.Err() == nil && !(f.polled.has(f.acked) && f.pushed.has(f.acked)) {
		_ = wait(late, 100*time.Millisecond) // the loop asks late
	}
	stop()
	return f, both.Wait()
}
