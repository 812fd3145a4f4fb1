package delivery

import (
	"math"
	"sync"
	"time"
)

// paceTime is over what a pace is averaged: what was long ago counts little.
const paceTime = time.Minute

// pace is how many records a second are delivered.
type pace struct {
	mu     sync.Mutex
	at     time.Time // guarded by mu
	second float64   // guarded by mu: as of at
}

func (p *pace) add(now time.Time, records uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.second = p.decayed(now) + float64(records)/paceTime.Seconds()
	p.at = now
}

func (p *pace) now(now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decayed(now)
}

func (p *pace) decayed(now time.Time) float64 {
	return p.second * math.Exp(-max(now.Sub(p.at), 0).Seconds()/paceTime.Seconds())
}
