package main

import (
	"fmt"
	"time"

	"headgate/deploy/bench/internal/child"
	"headgate/deploy/bench/internal/publisher"
)

// idle prints what a broker needs for a connection whose device has published
// once and is silent.
func idle(s settings, folder string, b broker) error {
	pid, address, stop, err := b.start(s, folder)
	if err != nil {
		return err
	}
	defer stop()
	n := s.clients[0]
	first, err := publisher.Dial(address, "first", 1, nil)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := once(first); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // until it is as calm as it gets
	before, err := child.Measure(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	var all []*publisher.Client
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for i := range n {
		c, err := publisher.Dial(address, fmt.Sprintf("idle-%05d", i), 1, nil)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		all = append(all, c)
		if err := once(c); err != nil {
			return err
		}
	}
	took := time.Since(began)
	time.Sleep(5 * time.Second)
	start, err := child.Measure(pid)
	if err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	after, err := child.Measure(pid)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%-20s %d connections in %s: %.1f KB of RSS each (%d MB before, %d MB after), %.2f %% of a core idle\n", b.name, n, took.Round(time.Millisecond),
		(float64(after.RSS)-float64(before.RSS))/float64(n)/1e3, before.RSS>>20, after.RSS>>20, 100*after.Since(start).CPU.Seconds()/10)
	return err
}

// once publishes one message and waits for its acknowledgement.
func once(c *publisher.Client) error {
	if err := c.Publish("bench/idle", make([]byte, payloadBytes)); err != nil {
		return err
	}
	return c.Drain()
}
