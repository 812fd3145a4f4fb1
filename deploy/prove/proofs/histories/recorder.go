package main

import (
	"sync"
	"time"

	"headgate/deploy/prove/proofs/histories/history"
)

// recorder gathers what happens from all sides. Its zero value begins with
// the first call. All methods may be called at the same time.
type recorder struct {
	mu      sync.Mutex
	began   time.Time       // guarded by mu
	history history.History // guarded by mu while clients run
	errors  map[string]int  // guarded by mu; what reads ended with
}

// since is the time since the beginning.
func (r *recorder) since() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now()
}

func (r *recorder) now() time.Duration {
	if r.began.IsZero() {
		r.began = time.Now()
	}
	return time.Since(r.began)
}

func (r *recorder) event(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Events = append(r.history.Events, history.Event{At: r.now(), What: what})
}

func (r *recorder) put(p history.Put) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Puts = append(r.history.Puts, p)
}

// iterator gives the iterator its number.
func (r *recorder) iterator(i history.Iterator) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	i.ID = len(r.history.Iterators) + 1
	r.history.Iterators = append(r.history.Iterators, i)
	return i.ID
}

func (r *recorder) read(page history.Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Reads = append(r.history.Reads, page)
}

func (r *recorder) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.errors == nil {
		r.errors = map[string]int{}
	}
	r.errors[nameOf(err)]++
}
