package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// reading is what one reader was given.
type reading struct {
	mu       sync.Mutex
	keys     map[string]*given
	last     map[string]string // by shard: the highest number that was given
	records  int
	repeated int // given before
	early    int // given for the first time after a later one of its shard
	crossed  int // given for the first time after a later one of its key
}

// given are a key's numbers that a reader was given.
type given struct {
	all  map[int]bool
	most int
}

func newReading() *reading { return &reading{keys: map[string]*given{}, last: map[string]string{}} }

// add notes a record with its place.
func (r *reading) add(shard, number string, data []byte) error {
	key, n, err := parse(data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records++
	of := r.keys[key]
	if of == nil {
		of = &given{all: map[int]bool{}, most: -1}
		r.keys[key] = of
	}
	if of.all[n] { // by a put that was tried again, or because a worker died
		r.repeated++
	} else {
		if n < of.most {
			r.crossed++
		}
		if number < r.last[shard] { // of equal length: as numbers
			r.early++
		}
	}
	of.all[n], of.most = true, max(of.most, n)
	r.last[shard] = max(r.last[shard], number)
	return nil
}

// late is how many came behind their place, in their shard and in their key.
func (r *reading) late() (shards, keys int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.early, r.crossed
}

// has reports whether all that was acknowledged was given.
func (r *reading) has(acked map[string]int) bool { return r.missing(acked) == 0 }

func (r *reading) missing(acked map[string]int) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, count := range acked {
		for i := range count {
			if of := r.keys[key]; of == nil || !of.all[i] {
				n++
			}
		}
	}
	return n
}

// figures are what a run under splits and merges came to.
type figures struct {
	acked          map[string]int
	splits, merges int
	kills          atomic.Int64
	polled, pushed *reading
	crews          []*crew // none: the KCL is not there
}

// readings are those of all readers, by name.
func (f *figures) readings() map[string]*reading {
	all := map[string]*reading{"GetRecords": f.polled, "SubscribeToShard": f.pushed}
	for _, c := range f.crews {
		all[c.name] = c.read
	}
	return all
}

// whole reports whether all readers were given all that was acknowledged.
func (f *figures) whole() bool {
	for _, r := range f.readings() {
		if !r.has(f.acked) {
			return false
		}
	}
	return true
}

// tell prints how far it is, now and then.
func (f *figures) tell(ctx context.Context, every time.Duration, w *writer) error {
	for began := time.Now(); wait(ctx, every) == nil; {
		now := figures{acked: w.ended(), polled: f.polled, pushed: f.pushed, crews: f.crews}
		line := fmt.Sprintf("%v: acknowledged %d", time.Since(began).Round(time.Second), now.total())
		for _, name := range slices.Sorted(maps.Keys(now.readings())) {
			r := now.readings()[name]
			early, _ := r.late()
			line += fmt.Sprintf("; %s to come %d, out of order %d", name, r.missing(now.acked), early)
		}
		fmt.Println(line)
	}
	return nil
}

func (f *figures) total() (n int) {
	for _, count := range f.acked {
		n += count
	}
	return n
}

func (f *figures) String() string {
	text := fmt.Sprintf("acknowledged %d records of %d keys through %d splits, %d merges and %d kills\n", f.total(), len(f.acked), f.splits, f.merges, f.kills.Load())
	for _, name := range slices.Sorted(maps.Keys(f.readings())) {
		r := f.readings()[name]
		early, crossed := r.late()
		text += fmt.Sprintf("%s: %d records, missing %d, repeated %d, out of order in a shard %d, of a key %d", name, r.records, r.missing(f.acked), r.repeated, early, crossed)
		for _, c := range f.crews {
			if c.name == name {
				text += fmt.Sprintf("; %d workers at a time, %d killed", c.size, c.deaths.Load())
			}
		}
		text += "\n"
	}
	if f.crews == nil {
		text += "KCL: not shown here; build deploy/peers/kcl and deploy/peers/java first, their READMEs say how\n"
	}
	return text
}

func (f *figures) err() error {
	switch {
	case f.total() == 0 || f.splits == 0 || f.merges == 0:
		return errors.New("nothing was put to the test")
	case !f.whole():
		return errors.New("acknowledged records were not delivered")
	}
	for name, r := range f.readings() {
		if early, crossed := r.late(); early > 0 || crossed > 0 && (r == f.polled || r == f.pushed) {
			return fmt.Errorf("%s: records came out of order", name)
		}
	}
	return nil
}
