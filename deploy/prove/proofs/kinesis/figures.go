package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// reading is what one reader was given.
type reading struct {
	mu       sync.Mutex
	next     map[string]int // by key, the number that is to come
	records  int
	repeated int // given before: a put that was tried again
	early    int // given before one of its key that is to come before it
	events   int // answers or events that brought records
}

func newReading() *reading { return &reading{next: map[string]int{}} }

func (r *reading) add(data []byte) error {
	key, n, err := parse(data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records++
	switch want := r.next[key]; {
	case n < want:
		r.repeated++
	case n == want:
		r.next[key]++
	default:
		r.early++
		r.next[key] = n + 1
	}
	return nil
}

// has reports whether all that was acknowledged was given.
func (r *reading) has(acked map[string]int) bool { return r.missing(acked) == 0 }

func (r *reading) missing(acked map[string]int) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, count := range acked {
		n += max(0, count-r.next[key])
	}
	return n
}

// figures are what a run under splits and merges came to.
type figures struct {
	acked          map[string]int
	splits, merges int
	kills          atomic.Int64
	polled, pushed *reading
}

func (f *figures) total() (n int) {
	for _, count := range f.acked {
		n += count
	}
	return n
}

func (f *figures) String() string {
	line := func(name string, r *reading) string {
		return fmt.Sprintf("%s: %d records, missing %d, out of order %d, repeated by retries %d\n", name, r.records, r.missing(f.acked), r.early, r.repeated)
	}
	return fmt.Sprintf("acknowledged %d records of %d keys through %d splits, %d merges and %d kills\n", f.total(), len(f.acked), f.splits, f.merges, f.kills.Load()) +
		line("GetRecords", f.polled) + line("SubscribeToShard", f.pushed)
}

func (f *figures) err() error {
	switch {
	case f.total() == 0 || f.splits == 0 || f.merges == 0:
		return errors.New("nothing was put to the test")
	case !f.polled.has(f.acked) || !f.pushed.has(f.acked):
		return errors.New("acknowledged records were not delivered")
	case f.polled.early+f.pushed.early > 0:
		return errors.New("records of a key came out of order")
	}
	return nil
}
