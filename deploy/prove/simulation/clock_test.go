package simulation_test

import (
	"sync"
	"time"
)

// hands are one box's clock. They may run faster than the bubble's time, so
// that a history of a minute spans days, and they can be moved.
type hands struct {
	began time.Time
	speed float64

	mu     sync.Mutex
	shift  time.Duration // guarded by mu
	synced bool          // guarded by mu
}

// epoch is when histories begin.
var epoch = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func (h *hands) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * h.speed) }

func (h *hands) uptime() time.Duration { return h.scaled(time.Since(h.began)) }

func (h *hands) wall() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return epoch.Add(h.uptime() + h.shift)
}

func (h *hands) isSynced() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.synced
}

func (h *hands) move(shift time.Duration, synced bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shift, h.synced = h.shift+shift, synced
}

func (h *hands) set(shift time.Duration, synced bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shift, h.synced = shift, synced
}
