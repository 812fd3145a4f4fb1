package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
)

// place is where a record lies.
type place struct{ shard, number string }

type digest [sha256.Size]byte

func content(key string, data []byte) digest {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", len(key), key)
	h.Write(data)
	return digest(h.Sum(nil))
}

// book is what was handed in and what was said about it.
type book struct {
	mu     sync.Mutex
	last   uint64
	handed map[uint64]digest // by id
	places map[place]uint64  // what is known to lie where: acknowledged, or read once
	acked  uint64
	twice  uint64 // places that two records were said to have
}

func newBook() *book { return &book{handed: map[uint64]digest{}, places: map[place]uint64{}} }

func (b *book) count() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

func (b *book) acknowledged(id uint64, at place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked++
	b.know(id, at)
}

func (b *book) know(id uint64, at place) {
	if other, ok := b.places[at]; ok && other != id {
		b.twice++
	}
	b.places[at] = id
}

// compare holds what was read against what is known, and learns from it: what
// was read once must not go either.
func (b *book) compare(records []record) (t tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	unread, ids := maps.Clone(b.places), map[uint64]bool{}
	numbers := map[place]bool{}
	for _, r := range records {
		t.read++
		id := uint64(0)
		if len(r.data) >= 8 {
			id = binary.BigEndian.Uint64(r.data)
		}
		if want, ok := b.handed[id]; !ok || want != content(r.key, r.data) {
			t.altered++
			continue
		}
		if ids[id] || numbers[r.place] {
			t.twice++ // each was handed in once
		}
		ids[id], numbers[r.place] = true, true
		b.know(id, r.place)
		if want, ok := unread[r.place]; ok && want == id {
			delete(unread, r.place)
		}
	}
	t.missing += uint64(len(unread))
	t.twice += b.twice
	return t
}

// tally is what came of the rounds.
type tally struct {
	cuts, starting, smeared int
	acked, published, read  uint64
	missing, altered, twice uint64
	again                   uint64
}

func (t *tally) add(o tally) {
	t.cuts, t.starting, t.smeared = t.cuts+o.cuts, t.starting+o.starting, t.smeared+o.smeared
	t.acked, t.published, t.read = t.acked+o.acked, t.published+o.published, t.read+o.read
	t.missing, t.altered, t.twice, t.again = t.missing+o.missing, t.altered+o.altered, t.twice+o.twice, t.again+o.again
}

func (t tally) faults() uint64 { return t.missing + t.altered + t.twice }

// String is the figures.
func (t tally) String() string {
	return fmt.Sprintf("power cuts %d (%d during a start, %d with some unsynced pages kept), acknowledged %d puts and %d messages, read %d, missing %d, altered %d, numbered twice %d (QoS 1 sent again %d)",
		t.cuts, t.starting, t.smeared, t.acked, t.published, t.read, t.missing, t.altered, t.twice, t.again)
}
