package uplink

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

const (
	downAfter  = 3                // failures in a row, of any destination
	firstProbe = time.Second      // between attempts while the link is down
	lastProbe  = 30 * time.Second // at most
)

// link is whether the link is there, as far as dialling tells. A host that
// refuses a connection was reached.
type link struct {
	mu       sync.Mutex
	failures int           // guarded by mu: in a row
	down     bool          // guarded by mu
	since    time.Time     // guarded by mu: of down, or of not
	probe    time.Time     // guarded by mu: when the next attempt may be made
	wait     time.Duration // guarded by mu: between attempts
	up       time.Duration // guarded by mu: how long it was up before since
}

// report is told what came of dialling.
func (k *link) report(err error, now time.Time) {
	if errors.Is(err, context.Canceled) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since.IsZero() {
		k.since = now
	}
	if err == nil || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		if k.down {
			k.down, k.since = false, now
		}
		k.failures, k.wait, k.probe = 0, 0, time.Time{}
		return
	}
	if k.failures++; k.failures >= downAfter && !k.down {
		k.up += now.Sub(k.since)
		k.down, k.since = true, now
	}
	if k.down {
		k.wait = min(max(2*k.wait, firstProbe), lastProbe)
		k.probe = now.Add(k.wait)
	}
}

// attempt reports whether somebody may dial now, and if not, when to ask
// again. While the link is down one at a time may.
func (k *link) attempt(now time.Time) (ok bool, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.down {
		return true, 0
	}
	if wait := k.probe.Sub(now); wait > 0 {
		return false, wait
	}
	k.probe = now.Add(dialTime) // for whoever asked
	return true, 0
}

// uptime is how long the link was up since the start.
func (k *link) uptime(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down || k.since.IsZero() {
		return k.up
	}
	return k.up + now.Sub(k.since)
}

func (k *link) state() (down bool, since time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.down, k.since
}
