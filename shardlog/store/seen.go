package store

import "sync"

// seen is small state as it was read from the disk lately: settings and
// policies are asked for in every call. It holds nothing that a mutation has
// changed since. The zero value is ready; it is safe for concurrent use by
// those who hold the Store's mu, for reading or for writing.
type seen struct {
	mu    sync.Mutex
	cells map[string]cell // guarded by mu; also of keys that are not there
	bytes int             // guarded by mu
}

// What is kept.
const (
	seenCells = 1024
	seenBytes = 1 << 20
	seenValue = 8 << 10 // larger ones are read anew each time
)

func (s *seen) find(id string) (c cell, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok = s.cells[id]
	return c, ok
}

func (s *seen) keep(id string, c cell) {
	size := len(id) + len(c.value)
	if size > seenValue {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cells == nil || len(s.cells) >= seenCells || s.bytes+size > seenBytes {
		s.cells, s.bytes = map[string]cell{}, 0
	}
	if _, twice := s.cells[id]; !twice {
		s.bytes += size
	}
	s.cells[id] = c
}

// drop forgets a cell that is changed.
func (s *seen) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.cells[id]; ok {
		s.bytes -= len(id) + len(c.value)
		delete(s.cells, id)
	}
}

// clear forgets all.
func (s *seen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cells, s.bytes = nil, 0
}
