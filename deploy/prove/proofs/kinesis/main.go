// Command kinesis proves that an application which knows Kinesis finds all of
// it here: through the unmodified AWS SDK it writes under load while shards
// split and merge and the gateway is killed; a polling reader and a fan-out
// consumer follow the shards' lineage, and so do two applications of an
// unmodified KCL, whose workers are killed too. It ends with 0 when all were
// given every acknowledged record, in the order of its key, and a shard that
// is written to too fast refuses as Kinesis does.
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
	deaths   time.Duration
	reshard  time.Duration
	java     bool
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 3 hours of writing, 60 kills")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.DurationVar(&o.writing, "for", 15*time.Second, "how long to write")
	flag.IntVar(&o.kills, "kills", 2, "times the gateway is killed meanwhile")
	flag.DurationVar(&o.deaths, "deaths", 8*time.Second, "about how long a worker of the KCL lives")
	flag.DurationVar(&o.reshard, "reshard", time.Second, "how often shards are split or merged")
	flag.BoolVar(&o.java, "java", false, "let the KCL of Java follow too: it takes minutes to catch up with many splits")
	flag.Parse()
	if *full {
		o.writing, o.kills, o.deaths, o.reshard, o.java = 3*time.Hour, 60, time.Minute, 45*time.Second, true
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
	var err error
	if f.crews, err = crews(g.api, "orders", o.java); err != nil {
		return nil, err
	}
	w := newWriter(k, "orders")
	readers, stop := context.WithCancel(ctx)
	defer stop()
	writing, end := context.WithTimeout(ctx, o.writing)
	defer end()
	var reads errgroup.Group
	reads.Go(func() error { return poll(readers, k, "orders", f.polled) })
	reads.Go(func() error { return push(readers, k, "orders", f.pushed) })
	for _, c := range f.crews {
		reads.Go(func() error { return c.run(readers, writing, o.deaths) })
	}
	var load errgroup.Group
	load.Go(func() error { return f.tell(writing, time.Minute, w) })
	load.Go(func() error { return w.run(writing) })
	load.Go(func() (err error) {
		f.splits, f.merges, err = shuffle(writing, k, "orders", o.reshard)
		return err
	})
	load.Go(func() error { return g.killAgain(writing, o, &f.kills) })
	if err := load.Wait(); err != nil {
		return nil, err
	}
	f.acked = w.ended()
	late, cancel := context.WithTimeout(ctx, max(patience, o.writing/6))
	defer cancel()
	for late.Err() == nil && !f.whole() {
		_ = wait(late, 100*time.Millisecond) // the loop asks late
	}
	stop()
	return f, reads.Wait()
}
