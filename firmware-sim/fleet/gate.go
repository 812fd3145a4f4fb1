package fleet

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// gate lets devices connect at a rate, and only so many at the same time.
type gate struct {
	interval time.Duration
	places   chan struct{}

	mu   sync.Mutex
	next time.Time
}

func newGate(perSecond float64) *gate {
	return &gate{interval: time.Duration(float64(time.Second) / perSecond), places: make(chan struct{}, 64)}
}

// enter waits for a turn; leave must follow when it answers nil.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	now := time.Now()
	at := g.next
	if at.Before(now) {
		at = now
	}
	g.next = at.Add(g.interval)
	g.mu.Unlock()
	if err := pause(ctx, time.Until(at)); err != nil {
		return err
	}
	select {
	case g.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() { <-g.places }

// pause waits that long, or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backoff is a device's pause before the next connect: anything between zero
// and a limit that doubles, so that a fleet does not come back in one wave.
type backoff struct {
	most  time.Duration
	limit time.Duration
}

func (b *backoff) next() time.Duration {
	b.limit = min(max(2*b.limit, 500*time.Millisecond), b.most)
	if b.limit <= 0 {
		return 0
	}
	return rand.N(b.limit)
}

func (b *backoff) reset() { b.limit = 0 }
