package awsapi

import (
	"context"
	"slices"
	"sync"
)

// memory bounds the bytes that all requests under way hold together: bodies
// and answers. Who finds no room waits in line.
type memory struct {
	mu      sync.Mutex
	total   int64
	free    int64
	waiting []*claim // first come, first served
}

type claim struct {
	n     int64
	ready chan struct{} // closed when n was taken for it
}

func newMemory(total int64) *memory { return &memory{total: total, free: total} }

func (m *memory) tryTake(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.free || len(m.waiting) > 0 {
		return false
	}
	m.free -= n
	return true
}

// take waits until there is room for n bytes. It answers the context's error
// when that ends first. More than everything counts as everything.
func (m *memory) take(ctx context.Context, n int64) (int64, error) {
	n = min(n, m.total)
	m.mu.Lock()
	if n <= m.free && len(m.waiting) == 0 {
		m.free -= n
		m.mu.Unlock()
		return n, nil
	}
	mine := &claim{n: n, ready: make(chan struct{})}
	m.waiting = append(m.waiting, mine)
	m.mu.Unlock()
	select {
	case <-mine.ready:
		return n, nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := slices.Index(m.waiting, mine); at >= 0 {
		m.waiting = slices.Delete(m.waiting, at, at+1)
	} else { // it came while the context ended
		m.free += n
	}
	m.serve()
	return 0, ctx.Err()
}

func (m *memory) give(n int64) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += n
	m.serve()
}

// serve hands free bytes to those in line. It is called with mu held.
func (m *memory) serve() {
	for len(m.waiting) > 0 && m.waiting[0].n <= m.free {
		m.free -= m.waiting[0].n
		close(m.waiting[0].ready)
		m.waiting = m.waiting[1:]
	}
}
