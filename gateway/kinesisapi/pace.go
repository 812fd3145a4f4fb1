package kinesisapi

import (
	"sync"
	"time"
)

// How many events a gateway sends in a second: each costs some 30 µs whatever
// is in it, so that this many take a part of one core, and what is gained by
// more is milliseconds. Beyond, events come later and carry more.
const (
	eventsPerSecond = 5000
	eventsAtOnce    = 500 // after a rest
)

// pace spreads the events of all subscriptions. It is safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	last time.Time // guarded by mu; the turn given last
}

// turn is when one who has just sent an event may send the next.
func (p *pace) turn(now time.Time) time.Time {
	const each = time.Second / eventsPerSecond
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = later(p.last, now.Add(-eventsAtOnce*each)).Add(each)
	return p.last
}
