package device

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
)

// ErrGone says that a record was given up or released meanwhile.
var ErrGone = errors.New("record is gone")

// flushBytes is how much Append gathers before it writes without syncing.
const flushBytes = 256 << 10

// Ring is a file of fixed size in which devices keep what they could not send
// yet: appended at the head, released in any order, given up from the tail when
// there is no room. FORMAT.md has the bytes. It is safe for concurrent use.
//
// An error of Append or Sync is final: the ring answers it ever after.
type Ring struct {
	file *os.File

	syncing sync.Mutex // one Sync at a time; taken before mu

	mu       sync.Mutex
	slot     slot   // of the last header written
	head     uint64 // where the next record goes
	first    uint64 // number of records[0]
	records  []held // from the tail to the head
	durable  uint64 // tail of the last header synced: nothing behind it may be overwritten
	synced   uint64 // records before it are durable
	buffer   []byte // records from position buffered on, not written yet
	buffered uint64
	dirty    bool
	err      error
}

// held is a record in the ring.
type held struct {
	place    uint64
	n        uint64
	device   uint32
	length   uint32
	released bool
}

// Buffered names a record in the ring.
type Buffered struct {
	Number uint64 // its place in the order of appends
	Device uint32
	N      uint64
}

// RingStats counts what a ring holds and has given up in all its life.
type RingStats struct {
	Records int
	Bytes   uint64 // from tail to head
	Size    uint64
	Dropped uint64 // records given up because the ring was full
}

// Append copies a record behind the head and returns its number. It is durable
// after the next Sync that began later. When there is no room, the oldest
// records are given up and counted. A record larger than an eighth of the ring
// is refused.
func (r *Ring) Append(device uint32, n uint64, data []byte) (number uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	need := padded(len(data))
	if need > r.slot.size/8 {
		return 0, fmt.Errorf("append %d bytes to a ring of %d: too large", len(data), r.slot.size)
	}
	for r.err == nil && r.head+need+r.skip(need) > r.durable+r.slot.size {
		r.makeRoom(need)
	}
	if r.err != nil {
		return 0, r.err
	}
	r.wrap(need)
	number = r.first + uint64(len(r.records))
	r.records = append(r.records, held{place: r.head, n: n, device: device, length: uint32(len(data))})
	r.buffer = appendRecord(r.buffer, recordHeader{uint32(len(data)), device, r.slot.incarnation, number, n}, data)
	r.head += need
	r.dirty = true
	if len(r.buffer) >= flushBytes {
		r.flush()
	}
	return number, r.err
}

// skip is how much is lost at the end of the data area before a record of this size.
func (r *Ring) skip(need uint64) uint64 {
	if left := r.slot.size - r.head%r.slot.size; left < need {
		return left
	}
	return 0
}

// wrap moves the head to the start of the data area when the record would
// cross its end, and writes what was gathered whenever the start is reached,
// because one write does not cross the end either.
func (r *Ring) wrap(need uint64) {
	left := r.skip(need)
	if left >= recordHead {
		h := recordHeader{length: skipLength, incarnation: r.slot.incarnation, number: r.first + uint64(len(r.records))}
		r.buffer = appendRecord(r.buffer, h, nil)
	}
	if (r.head+left)%r.slot.size == 0 {
		r.flush()
		r.head += left
		r.buffered = r.head
	}
}

// makeRoom gives up records until this one and a sixteenth of the ring fit,
// then syncs, because only then the room may be used. It is called with mu held
// and lets it go for the sync.
func (r *Ring) makeRoom(need uint64) {
	want := r.head + need + r.skip(need)
	if r.tail()+r.slot.size < want {
		want += r.slot.size / 16
		for len(r.records) > 0 && r.tail()+r.slot.size < want {
			if !r.records[0].released {
				r.slot.dropped++
			}
			r.records, r.first = r.records[1:], r.first+1
			r.dirty = true
		}
	}
	r.mu.Unlock()
	err := r.Sync()
	r.mu.Lock()
	if err != nil && r.err == nil {
		r.err = err
	}
}

// tail is the position of the oldest record.
func (r *Ring) tail() uint64 {
	if len(r.records) == 0 {
		return r.head
	}
	return r.records[0].place
}

// flush writes what Append gathered. It is called with mu held.
func (r *Ring) flush() {
	if len(r.buffer) == 0 || r.err != nil {
		return
	}
	if _, err := r.file.WriteAt(r.buffer, ringData+int64(r.buffered%r.slot.size)); err != nil {
		r.err = fmt.Errorf("write ring: %w", err)
		return
	}
	r.buffered += uint64(len(r.buffer))
	r.buffer = r.buffer[:0]
}

// Sync makes everything appended, released and given up so far durable, with
// one fsync. It does nothing when nothing changed.
func (r *Ring) Sync() error {
	r.syncing.Lock()
	defer r.syncing.Unlock()
	r.mu.Lock()
	if r.err != nil || !r.dirty {
		defer r.mu.Unlock()
		return r.err
	}
	r.flush()
	r.slot.generation++
	r.slot.tail, r.slot.number = r.tail(), r.first
	next, written := r.slot, r.buffered
	r.dirty = false
	err := r.err
	r.mu.Unlock()

	if err == nil {
		if _, err = r.file.WriteAt(next.encode(), next.at()); err == nil {
			err = r.file.Sync()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = fmt.Errorf("sync ring: %w", err)
		return r.err
	}
	r.durable, r.synced = next.tail, written
	return nil
}

// Read appends the data of a record to b. ErrGone says that the ring does not
// hold it any more.
func (r *Ring) Read(number uint64, b []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.err, ErrPowerCut) {
		return b, r.err
	}
	if number < r.first || number >= r.first+uint64(len(r.records)) || r.records[number-r.first].released {
		return b, ErrGone
	}
	rec := r.records[number-r.first]
	if rec.place >= r.buffered {
		at := rec.place - r.buffered + recordHead
		return append(b, r.buffer[at:at+uint64(rec.length)]...), nil
	}
	h, data, _, ok := readRecord(r.file, ringData+int64(rec.place%r.slot.size), uint64(rec.length), nil)
	if !ok || h.number != number {
		return b, fmt.Errorf("read record %d of device %d: checksum does not match", rec.n, rec.device)
	}
	return append(b, data...), nil
}

// Release lets go of a record that was delivered. Releasing one that is gone
// does nothing.
func (r *Ring) Release(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number < r.first || number >= r.first+uint64(len(r.records)) {
		return
	}
	r.records[number-r.first].released = true
	for len(r.records) > 0 && r.records[0].released {
		r.records, r.first = r.records[1:], r.first+1
		r.dirty = true
	}
}

// Oldest is the number of the oldest record that may still be there.
func (r *Ring) Oldest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// All yields the records in order as they were when the walk began.
func (r *Ring) All() iter.Seq[Buffered] {
	r.mu.Lock()
	first, records := r.first, append([]held(nil), r.records...)
	r.mu.Unlock()
	return func(yield func(Buffered) bool) {
		for i, rec := range records {
			if !rec.released && !yield(Buffered{Number: first + uint64(i), Device: rec.device, N: rec.n}) {
				return
			}
		}
	}
}

// Stats counts.
func (r *Ring) Stats() RingStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RingStats{Records: len(r.records), Bytes: r.head - r.tail(), Size: r.slot.size, Dropped: r.slot.dropped}
}

// Close syncs and closes the file.
func (r *Ring) Close() error { return errors.Join(r.Sync(), r.file.Close()) }
