package delivery

import (
	"context"
	"sync"
	"time"

	"headgate/firehose"
)

// window is how many shards may send at once. It begins with one and grows by
// one with each round of clean batches; when the destination is short of breath
// it is halved, and from then on grows by one in ten rounds (additive increase,
// multiplicative decrease).
type window struct {
	most int

	mu      sync.Mutex
	size    float64       // guarded by mu
	busy    int           // guarded by mu
	cut     time.Time     // guarded by mu: when it was last halved
	changed chan struct{} // guarded by mu: closed when somebody may have a turn
}

func newWindow(most int) *window {
	return &window{most: most, size: 1, changed: make(chan struct{})}
}

// enter waits for a turn. leave must follow.
func (w *window) enter(ctx context.Context) error {
	for {
		w.mu.Lock()
		if w.busy < int(w.size) {
			w.busy++
			w.mu.Unlock()
			return nil
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave gives the turn back, with what came of it since began. Failures of one
// round count once: those that had begun before the last cut tell nothing new.
func (w *window) leave(r firehose.Result, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	switch r.Class {
	case firehose.Delivered:
		growth := 1.0
		if !w.cut.IsZero() {
			growth = 0.1
		}
		w.size = min(float64(w.most), w.size+growth/w.size)
	case firehose.Throttled, firehose.Transient, firehose.Unclassified:
		if began.After(w.cut) {
			w.size, w.cut = max(1, w.size/2), time.Now()
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}
