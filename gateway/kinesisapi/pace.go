package kinesisapi

import (
	"sync"
	"time"
)

// How many events a gateway sends in a second. Each costs some 25 µs whatever is
// in it, on a small box more: so many are a part of one core, and more would
// gain milliseconds. Beyond, events come later and carry more records.
const (
	eventsPerSecond = 3000
	eventsAtOnce    = 300 // after a rest
)

// pace spreads the events of all subscriptions. The zero value is ready; it is
// safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	last time.Time // guarded by mu: the turn that was given last
}

// turn is when one who has just sent an event may send the next.
func (p *pace) turn(now time.Time) time.Time {
	const each = time.Second / eventsPerSecond
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = later(p.last, now.Add(-eventsAtOnce*each)).Add(each)
	return p.last
}
