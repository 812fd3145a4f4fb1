package syslog

import (
	"context"
	"sync"
)

// room bounds messages that are read and not stored yet, by count and bytes.
// When it is empty, one message of any size fits.
type room struct {
	messages, bytes int // at most

	mu    sync.Mutex
	count int           // guarded by mu
	size  int           // guarded by mu
	freed chan struct{} // closed when something leaves; nil: nobody waits; guarded by mu
}

// try takes room for a message; false: there is none.
func (r *room) try(size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.take(size)
}

func (r *room) take(size int) bool {
	if r.count > 0 && (r.count >= r.messages || r.size+size > r.bytes) {
		return false
	}
	r.count++
	r.size += size
	return true
}

// enter waits for room; false: ctx ended before there was any.
func (r *room) enter(ctx context.Context, size int) bool {
	for {
		r.mu.Lock()
		if r.take(size) {
			r.mu.Unlock()
			return true
		}
		if r.freed == nil {
			r.freed = make(chan struct{})
		}
		freed := r.freed
		r.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// leave gives room back.
func (r *room) leave(messages, bytes int) {
	if messages == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count -= messages
	r.size -= bytes
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}

// held is what is in it.
func (r *room) held() (messages, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count, r.size
}
