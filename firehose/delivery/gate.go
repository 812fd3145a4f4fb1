package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"headgate/firehose"
)

const (
	retryBase   = time.Second
	retryCap    = 2 * time.Minute
	tripAfter   = 5               // transient failures in a row that close the gate
	holdBetween = 5 * time.Minute // probes while credentials or configuration are wrong
)

// State says how a delivery is doing.
type State string

// The states.
const (
	Idle     State = "idle"     // Run was not called, or has returned
	Paused   State = "paused"   // people paused it, until they resume it
	Waiting  State = "waiting"  // its stream does not exist
	Running  State = "running"  // delivering, or nothing to deliver
	Retrying State = "retrying" // the destination fails; tried again for ever
	Held     State = "held"     // credentials or configuration must be corrected; probed slowly
)

// gate stands before a sink that all shards share. While the sink works it is
// open to everybody. After several failures in a row, or one that only people
// can mend, it is shut and lets one attempt through at a time.
type gate struct {
	mu       sync.Mutex
	failures int            // in a row; guarded by mu
	shut     firehose.Class // Delivered while open; guarded by mu
	until    time.Time      // while shut, when to try next; guarded by mu
	trying   bool           // while shut, somebody is at it; guarded by mu
	changed  chan struct{}  // closed at every change; guarded by mu
}

func newGate() *gate { return &gate{shut: firehose.Delivered, changed: make(chan struct{})} }

// enter waits until an attempt is allowed. probe asks the caller to probe the
// sink first, for he is the only one who is let through.
func (g *gate) enter(ctx context.Context) (probe bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		g.mu.Lock()
		wait := time.Until(g.until)
		switch {
		case g.shut == firehose.Delivered:
			g.mu.Unlock()
			return false, nil
		case !g.trying && wait <= 0:
			g.trying = true
			g.mu.Unlock()
			return true, nil
		case g.trying:
			wait = retryCap // until changed
		}
		changed := g.changed
		g.mu.Unlock()
		if err := sleep(ctx, wait, changed); err != nil {
			return false, err
		}
	}
}

// leave tells how the attempt went. Every enter without an error is followed
// by one leave.
func (g *gate) leave(r firehose.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
	switch r.Class {
	case firehose.Delivered, firehose.Poison, firehose.TooLarge:
		g.failures, g.shut = 0, firehose.Delivered
	case firehose.Auth, firehose.Config:
		g.failures++
		g.shut, g.until = r.Class, time.Now().Add(max(holdBetween, r.RetryAfter))
	default:
		g.failures++
		if g.shut != firehose.Delivered || g.failures >= tripAfter {
			g.shut, g.until = firehose.Transient, time.Now().Add(backoff(g.failures-tripAfter+3, r.RetryAfter))
		}
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// abandon ends an attempt that says nothing about the sink, in the place of
// leave.
func (g *gate) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
	close(g.changed)
	g.changed = make(chan struct{})
}

// state is what the gate says about the sink, and when it is tried next.
func (g *gate) state() (State, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.shut == firehose.Auth || g.shut == firehose.Config:
		return Held, g.until
	case g.shut != firehose.Delivered:
		return Retrying, g.until
	case g.failures > 0:
		return Retrying, time.Time{}
	}
	return Running, time.Time{}
}

// backoff is the wait before attempt n+1: full jitter under a doubling cap.
// What the destination asked for comes first, however long it is up to an hour.
func backoff(n int, asked time.Duration) time.Duration {
	if asked > 0 {
		return min(asked, time.Hour)
	}
	most := retryCap
	if n = max(n, 1); n < 8 {
		most = min(retryCap, retryBase<<(n-1))
	}
	return rand.N(most) + time.Millisecond
}

// sleep waits for the time, the signal or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration, signal <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-signal:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
