package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/publisher"
)

// fair prints how long the messages of a client take that sends one at a time,
// twenty a second: alone, and beside one that floods.
func fair(s settings, folder string, b broker) error {
	_, address, stop, err := b.start(s, folder)
	if err != nil {
		return err
	}
	defer stop()
	if b.subscriber {
		if err := publisher.Subscribe(address, "away", 1, "bench/#"); err != nil {
			return err
		}
	}
	length := time.Duration(s.seconds) * time.Second
	quiet, err := polite(address, length)
	if err != nil {
		return err
	}
	var acked atomic.Uint64
	flooder, err := publisher.Dial(address, "flooder", 1000, func(time.Duration) { acked.Add(1) })
	if err != nil {
		return err
	}
	defer flooder.Close()
	var over atomic.Bool
	var g errgroup.Group
	g.Go(func() error { return publish(flooder, 0, &over) })
	time.Sleep(time.Second)
	first := acked.Load()
	beside, err := polite(address, length)
	flood := float64(acked.Load()-first) / length.Seconds()
	over.Store(true)
	if err != nil {
		return err
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = fmt.Printf("%-20s alone p50 %.1f ms, p99 %.1f ms; beside %.0f a second p50 %.1f ms, p99 %.1f ms: %.1fx\n", b.name,
		quiet.at(0.5), quiet.at(0.99), flood, beside.at(0.5), beside.at(0.99), beside.at(0.99)/quiet.at(0.99))
	return err
}

// polite publishes for a while and answers how long each message took.
func polite(address string, length time.Duration) (*sample, error) {
	times := &sample{}
	c, err := publisher.Dial(address, "polite", 1, times.add)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < length; <-tick.C {
		if err := once(c); err != nil {
			return nil, err
		}
	}
	return times, nil
}
