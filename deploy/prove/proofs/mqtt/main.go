// Command mqtt proves that three gateways keep what MQTT promises while one
// after the other is killed: a fleet of devices that speak 3.1.1 and 5, with QoS
// 1 and 2, goes from gateway to gateway, and so do receivers of commands, in
// sessions that last. It ends with 0 when each gateway holds everything that was
// acknowledged, what was published with QoS 2 once, each device's in order; the
// receivers were given every command, those of QoS 2 once and in order; and a
// device that claimed its certificate published by it until it was revoked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

type options struct {
	headgate  string
	dir       string
	seed      uint64
	rounds    int
	devices   int
	receivers int
	rate      float64
}

func main() {
	var o options
	full := flag.Bool("full", false, "the long form: 20 rounds, 100 devices, 16 receivers")
	flag.StringVar(&o.headgate, "headgate", "", "path of the headgate binary")
	flag.StringVar(&o.dir, "dir", "", "folder that is kept: the gateways' data and logs, the oracles (default: one that is removed when all is proven)")
	flag.Uint64Var(&o.seed, "seed", 0, "of what the proof does by chance (default: a random one)")
	flag.IntVar(&o.rounds, "rounds", 3, "times a gateway is killed")
	flag.IntVar(&o.devices, "devices", 24, "devices that publish")
	flag.IntVar(&o.receivers, "receivers", 8, "devices that are sent commands")
	flag.Float64Var(&o.rate, "rate", 30, "messages a second of each device")
	flag.Parse()
	if *full {
		o.rounds, o.devices, o.receivers = 20, 100, 16
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1<<32)
	}
	fmt.Printf("mqtt: seed %d\n", o.seed)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "mqtt: not proven (--seed %d): %v\n", o.seed, err)
		os.Exit(1)
	}
	fmt.Println("mqtt: proven")
}

// run keeps the folder of a proof that failed.
func run(ctx context.Context, o options) error {
	keep := o.dir != ""
	err := os.MkdirAll(o.dir, 0o755)
	if !keep {
		o.dir, err = os.MkdirTemp("", "mqtt-*")
	}
	if err != nil {
		return err
	}
	if err = prove(ctx, o); err != nil {
		return fmt.Errorf("%w\nlogs and oracles are in %s", err, o.dir)
	}
	if !keep {
		err = os.RemoveAll(o.dir)
	}
	return err
}

func prove(ctx context.Context, o options) error {
	began := time.Now()
	s, err := newSite(o)
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := s.Begin(ctx); err != nil {
		return err
	}
	fmt.Printf("three gateways vote after %.1f s\n", time.Since(began).Seconds())
	if err := s.work(ctx); err != nil {
		return err
	}
	fmt.Printf("%d rounds, all told is said after %.1f s\n", o.rounds, time.Since(began).Seconds())
	if err := s.enrol(ctx); err != nil {
		return fmt.Errorf("enrolment: %w", err)
	}
	if err := s.Settle(ctx); err != nil {
		return err
	}
	err = s.judge(ctx)
	return errors.Join(err, s.judgeReceivers())
}
