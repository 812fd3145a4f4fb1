package syslog

import (
	"net/netip"
	"sync"
	"time"
)

// maxBuckets bounds how many sources are remembered.
const maxBuckets = 16 << 10

// rates are token buckets by source, with a burst of one second. They are told
// the time.
type rates struct {
	perSecond float64 // negative: no limit

	mu      sync.Mutex
	buckets map[netip.Addr]bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take charges one message, or says after which wait there is a token.
func (r *rates) take(from netip.Addr, now time.Time) (wait time.Duration) {
	if r.perSecond < 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[from]
	if !known {
		r.sweep(now)
		b = bucket{tokens: r.perSecond, at: now}
	}
	b = r.refill(b, now)
	if b.tokens < 1 {
		wait = max(time.Duration((1-b.tokens)/r.perSecond*float64(time.Second)), time.Millisecond)
	} else {
		b.tokens--
	}
	r.buckets[from] = b
	return wait
}

func (r *rates) refill(b bucket, now time.Time) bucket {
	gone := max(now.Sub(b.at), 0)
	return bucket{tokens: min(r.perSecond, b.tokens+gone.Seconds()*r.perSecond), at: now}
}

// sweep makes room for one more: buckets that are full say nothing. When none
// is, a flood of invented addresses is likely, and all begin anew.
func (r *rates) sweep(now time.Time) {
	if len(r.buckets) < maxBuckets && r.buckets != nil {
		return
	}
	for from, b := range r.buckets {
		if r.refill(b, now).tokens >= r.perSecond {
			delete(r.buckets, from)
		}
	}
	if r.buckets == nil || len(r.buckets) >= maxBuckets {
		r.buckets = map[netip.Addr]bucket{}
	}
}

// source is what limits count as one: an IPv4 address, or the /64 of an IPv6
// address, which is the least that a site is given.
func source(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
