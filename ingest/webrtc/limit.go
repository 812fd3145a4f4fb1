package webrtc

import (
	"net"
	"sync"
	"time"
)

// rates are token buckets by address. The zero perSecond allows nothing, a
// negative one everything.
type rates struct {
	perSecond, burst float64

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds what is remembered; then all begin anew.
const maxBuckets = 4096

// take reports whether the address may do one more thing now.
func (r *rates) take(address string, now time.Time) bool {
	if r.perSecond < 0 {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buckets == nil || len(r.buckets) > maxBuckets {
		r.buckets = map[string]bucket{}
	}
	b, known := r.buckets[host]
	if !known {
		b = bucket{tokens: r.burst, at: now}
	}
	b.tokens = min(r.burst, b.tokens+now.Sub(b.at).Seconds()*r.perSecond)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	r.buckets[host] = b
	return ok
}
