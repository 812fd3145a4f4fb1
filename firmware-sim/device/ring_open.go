package device

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	minRing = 4 << 10
	maxRing = 1 << 40
)

// ErrRing says that a file is no ring file, or lost both copies of its header.
var ErrRing = errors.New("not a ring file")

// OpenRing opens the ring file at path, or makes one with room for size bytes
// of records (at least 4 KiB, rounded up to 8). A file that exists keeps its
// size. What was synced before a crash is there again; a torn end is cut off.
// A file that cannot be a ring is ErrRing and is left untouched.
func OpenRing(path string, size int64) (*Ring, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := createRing(path, size); err != nil {
			return nil, fmt.Errorf("create ring: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	r := &Ring{file: file}
	if err := r.recover(); err != nil {
		file.Close()
		return nil, fmt.Errorf("open ring %s: %w", filepath.Base(path), err)
	}
	return r, nil
}

// createRing makes an empty ring beside path and moves it there, so that a
// crash leaves a whole ring or none.
func createRing(path string, size int64) error {
	if size > maxRing {
		return fmt.Errorf("%d bytes are more than %d: %w", size, int64(maxRing), ErrRing)
	}
	size = (max(size, minRing) + 7) &^ 7
	draft := path + ".new"
	file, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	first := slot{generation: 1, size: uint64(size), number: 1}
	if err := file.Truncate(ringData + size); err != nil {
		return err
	}
	if _, err := file.WriteAt(first.encode(), first.at()); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// recover reads the newer header, finds the records that count and syncs a
// header of the next incarnation.
func (r *Ring) recover() error {
	head, err := newestSlot(r.file)
	if err != nil {
		return err
	}
	r.slot = head
	r.durable = head.tail
	r.first, r.head = head.number, head.tail
	r.walk()
	r.buffered = r.head
	r.slot.incarnation++
	r.dirty = true
	return r.Sync()
}

func newestSlot(file io.ReaderAt) (slot, error) {
	var best slot
	found := false
	for _, at := range []int64{0, slotB} {
		b := make([]byte, slotBytes)
		if _, err := file.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
			return slot{}, err
		}
		if s, ok := decodeSlot(b); ok && s.at() == at && (!found || s.generation > best.generation) {
			best, found = s, true
		}
	}
	if !found {
		return slot{}, ErrRing
	}
	return best, nil
}

// walk follows the records from the tail until one does not count.
func (r *Ring) walk() {
	var scratch []byte
	number, incarnation := r.first, uint32(0)
	for end := r.slot.tail + r.slot.size; ; {
		left := r.slot.size - r.head%r.slot.size
		if left < recordHead {
			r.head += left
			continue
		}
		h, _, reuse, ok := readRecord(r.file, ringData+int64(r.head%r.slot.size), left-recordHead, scratch)
		scratch = reuse
		if !ok || h.number != number || h.incarnation < incarnation || h.incarnation > r.slot.incarnation {
			return
		}
		incarnation = h.incarnation
		if h.length == skipLength {
			if r.head+left > end {
				return
			}
			r.head += left
			continue
		}
		room := padded(int(h.length))
		if r.head+room > end {
			return
		}
		r.records = append(r.records, held{place: r.head, n: h.n, device: h.device, length: h.length})
		r.head += room
		number++
	}
}
