package store

import (
	"github.com/cockroachdb/pebble/v2"
)

// flushDropped is how many bytes are dropped before the memtable is flushed
// for their sake: until then the files that held them stay.
const flushDropped = 64 << 20

// Drop forgets the rows up to a number, that one included. It does not wait
// for the disk: after a crash the rows of the last Drops may be there again,
// each Drop's whole and the later one's first, because the log is replayed in
// order; there is never a hole before a row that is left. That does no harm:
// what drains the spool hands rows in under numbers, which are applied once.
func (sp *Spool) Drop(through uint64) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	b := sp.s.db.NewBatch()
	defer b.Close()
	after, err := sp.drop(b, through)
	if err != nil || after == sp.count {
		return err
	}
	sp.dropped += sp.count.bytes - after.bytes
	if err := sp.commit(b, after, pebble.NoSync); err != nil {
		return err
	}
	return sp.freeFiles()
}

// drop adds the deletion of the rows up to a number to the batch and answers
// what is left. Ranges of several calls do not overlap, or Pebble would keep
// each in pieces as many as there are calls.
func (sp *Spool) drop(b *pebble.Batch, through uint64) (spoolCount, error) {
	after := sp.count
	if through = min(through, after.next-1); through < after.first {
		return after, nil
	}
	after.bytes -= min(sp.bytesThrough(through), after.bytes)
	after.first = through + 1
	if after.first == after.next {
		after.bytes = 0
	}
	return after, b.DeleteRange(spoolKey(sp.count.first), spoolKey(after.first), nil)
}

// bytesThrough is how much the rows up to a number hold; of what cannot be
// read, nothing.
func (sp *Spool) bytesThrough(through uint64) (total uint64) {
	it, err := sp.s.db.NewIter(&pebble.IterOptions{LowerBound: spoolKey(sp.count.first), UpperBound: spoolKey(through + 1)})
	if err != nil {
		return 0
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		total += rowBytes(it)
	}
	return total
}

// freeFiles flushes the deletions once they are worth it. The caller holds mu.
func (sp *Spool) freeFiles() error {
	if sp.dropped < flushDropped {
		return nil
	}
	sp.dropped = 0
	_, err := sp.s.db.AsyncFlush()
	return err
}
