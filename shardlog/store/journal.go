package store

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// heads knows where the journal begins and ends.
type heads struct {
	mu          sync.Mutex
	first, last uint64 // zero, zero when it is empty
}

const localFirst = "journal/first"

func (h *heads) load(db *pebble.DB) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixJournal}, UpperBound: []byte{prefixJournal + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	if !it.First() {
		return it.Error()
	}
	lower := it.Key()
	if marker, closer, err := db.Get(localKey(localFirst)); err == nil {
		lower = journalKey(binary.BigEndian.Uint64(marker))
		closer.Close()
	}
	// Rows before the marker may stay for a while, and none need lie at it.
	if !it.SeekGE(lower) {
		return it.Error()
	}
	h.first = binary.BigEndian.Uint64(it.Key()[1:])
	it.Last()
	h.last = binary.BigEndian.Uint64(it.Key()[1:])
	return it.Error()
}

// Journal is the consensus log. Its entries' blocks lie where readers find
// them, so that no payload is written twice.
type Journal struct{ s *Store }

// Journal is the store's consensus log.
func (s *Store) Journal() *Journal { return &Journal{s} }

// First is the index of the first entry, zero when the journal is empty.
func (j *Journal) First() uint64 {
	j.s.heads.mu.Lock()
	defer j.s.heads.mu.Unlock()
	return j.s.heads.first
}

// Last is the index of the last entry, zero when the journal is empty.
func (j *Journal) Last() uint64 {
	j.s.heads.mu.Lock()
	defer j.s.heads.mu.Unlock()
	return j.s.heads.last
}

// Append adds entries and returns when they are on the disk. An empty journal
// may begin with any. A failed write ends the process. Kind Corrupt: an entry
// that should hold commands does not.
func (j *Journal) Append(entries []shardlog.JournalEntry) error {
	if len(entries) == 0 {
		return nil
	}
	b := j.s.db.NewBatch()
	defer b.Close()
	if j.First() == 0 { // the marker may lie behind: a pull goes beyond the log
		if err := b.Set(localKey(localFirst), numberValue(entries[0].Index), nil); err != nil {
			return err
		}
	}
	applied := j.s.Applied()
	for _, e := range entries {
		if err := setEntry(b, e, e.Index > applied); err != nil {
			return err
		}
	}
	if err := j.s.must(b.Commit(pebble.Sync)); err != nil {
		return err
	}
	h := &j.s.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == 0 {
		h.first = entries[0].Index
	}
	h.last = entries[len(entries)-1].Index
	return nil
}

const entryCommands = 1 // flag of a journal row: its data are the head of commands

// setEntry writes the row (flags, type, term, time, extensions, data) and, if
// the entry is new, the blocks that belong to it. Those of one that is applied
// lie here already, or were given up and must not come back.
func setEntry(b *pebble.Batch, e shardlog.JournalEntry, fresh bool) error {
	data, flags := e.Data, byte(0)
	if e.Commands {
		head, blocks, err := shardlog.SplitCommands(e.Data)
		if err != nil {
			return err
		}
		data, flags = head, entryCommands
		for i, r := range blocks {
			if !fresh {
				break
			}
			key := place{r.Class, r.Bucket, r.Stream, e.Index, uint16(i)}.key()
			if err := b.Set(key, r.Bytes, nil); err != nil {
				return err
			}
		}
	}
	row := make([]byte, 0, 32+len(e.Extensions)+len(data))
	row = append(row, flags, e.Type)
	row = binary.AppendUvarint(row, e.Term)
	row = binary.AppendVarint(row, e.At.UnixMilli())
	row = binary.AppendUvarint(row, uint64(len(e.Extensions)))
	row = append(row, e.Extensions...)
	row = append(row, data...)
	return b.Set(journalKey(e.Index), row, nil)
}

func parseEntry(index uint64, row []byte) (shardlog.JournalEntry, error) {
	bad := shardlog.Errorf(shardlog.Corrupt, "read journal", "entry %d", index)
	if len(row) < 2 {
		return shardlog.JournalEntry{}, bad
	}
	e := shardlog.JournalEntry{Index: index, Commands: row[0]&entryCommands != 0, Type: row[1]}
	row = row[2:]
	term, n := binary.Uvarint(row)
	at, m := binary.Varint(row[max(n, 0):])
	if n <= 0 || m <= 0 {
		return e, bad
	}
	row = row[n+m:]
	size, k := binary.Uvarint(row)
	if k <= 0 || size > uint64(len(row)-k) {
		return e, bad
	}
	e.Term, e.At = term, time.UnixMilli(at)
	e.Extensions, e.Data = row[k:k+int(size)], row[k+int(size):]
	return e, nil
}

// Entry reads an entry; its bytes are the caller's. An applied entry one of
// whose blocks has been given up since, by retention or because its Append
// was refused, comes back *hollow*: Commands is set and Data is empty, which
// no whole entry's is. It must not be handed to anybody as if it were an
// entry without commands: who needs it has to pull the state that it led to.
// Of an entry that is not applied a missing block is an error. Kinds:
// NotFound, Corrupt.
func (j *Journal) Entry(index uint64) (shardlog.JournalEntry, error) {
	if first := j.First(); index < first || first == 0 {
		return shardlog.JournalEntry{}, shardlog.Errorf(shardlog.NotFound, "read journal", "entry %d", index)
	}
	row, err := j.s.value(journalKey(index))
	if err != nil {
		return shardlog.JournalEntry{}, err
	}
	e, err := parseEntry(index, row)
	if err != nil || !e.Commands {
		return e, err
	}
	return j.whole(e)
}

// whole joins the entry's head with its blocks.
func (j *Journal) whole(e shardlog.JournalEntry) (shardlog.JournalEntry, error) {
	places, _, err := shardlog.SplitHead(e.Data)
	if err != nil {
		return e, err
	}
	data := e.Data
	for i, p := range places {
		bytes, err := j.s.value(place{p.Class, p.Bucket, p.Stream, e.Index, uint16(i)}.key())
		if err != nil && shardlog.KindOf(err) == shardlog.NotFound && e.Index <= j.s.Applied() {
			e.Data = nil // hollow
			return e, nil
		}
		if err != nil {
			return e, err
		}
		data = append(data, bytes...)
	}
	e.Data = data
	return e, nil
}

// value reads a key; the bytes are the caller's.
func (s *Store) value(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, shardlog.Errorf(shardlog.NotFound, "read store", "key %x", key)
	}
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read store", "key %x: %w", key, err)
	}
	defer closer.Close()
	return append([]byte(nil), v...), nil
}

// DropHead moves the beginning behind through. Blocks stay: they are the
// shard log.
func (j *Journal) DropHead(through uint64) error {
	h := &j.s.heads
	h.mu.Lock()
	if h.first = max(h.first, through+1); h.first > h.last {
		h.first, h.last = 0, 0
	}
	h.mu.Unlock()
	b := j.s.db.NewBatch()
	defer b.Close()
	if err := b.Set(localKey(localFirst), binary.BigEndian.AppendUint64(nil, through+1), nil); err != nil {
		return err
	}
	j.s.mu.RLock()
	err := j.s.dropHeads(b)
	j.s.mu.RUnlock()
	if err != nil {
		return err
	}
	return j.s.must(b.Commit(pebble.NoSync))
}

// dropHeads deletes the journal rows before its beginning whose blocks have
// all been given up. The caller holds mu.
func (s *Store) dropHeads(b *pebble.Batch) error {
	s.heads.mu.Lock()
	least := s.heads.first
	s.heads.mu.Unlock()
	for _, st := range s.state.byID {
		if len(st.extents) > 0 {
			least = min(least, st.extents[0].firstIndex)
		}
	}
	if least == 0 {
		return nil
	}
	return b.DeleteRange(journalKey(0), journalKey(least), nil)
}

// DropTail removes the entries from index on, with their blocks: they were
// never agreed on. Kind Invalid when one of them has been applied.
func (j *Journal) DropTail(from uint64) error {
	if applied := j.s.Applied(); from <= applied {
		return shardlog.Errorf(shardlog.Invalid, "cut journal", "entry %d is applied, up to %d", from, applied)
	}
	h := &j.s.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	b := j.s.db.NewBatch()
	defer b.Close()
	for index := max(from, h.first); index <= h.last && index > 0; index++ {
		if err := j.dropEntry(b, index); err != nil {
			return err
		}
	}
	if err := j.s.must(b.Commit(pebble.Sync)); err != nil {
		return err
	}
	if h.last = from - 1; h.last < h.first {
		h.first, h.last = 0, 0
	}
	return nil
}

func (j *Journal) dropEntry(b *pebble.Batch, index uint64) error {
	row, err := j.s.value(journalKey(index))
	if err != nil {
		return err
	}
	e, err := parseEntry(index, row)
	if err != nil {
		return err
	}
	if e.Commands {
		places, _, err := shardlog.SplitHead(e.Data)
		if err != nil {
			return err
		}
		for i, p := range places {
			if err := b.Delete(place{p.Class, p.Bucket, p.Stream, index, uint16(i)}.key(), nil); err != nil {
				return err
			}
		}
	}
	return b.Delete(journalKey(index), nil)
}
