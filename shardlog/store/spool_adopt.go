package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

const localAdopted = "adopted/" // + where the other store lies: how far its spool was taken over

// adoptBytes is how much one synced write takes over.
const adoptBytes = 1 << 20

// AdoptSpool takes over what the spool of a store holds that was set aside
// (SetAside says where), behind what this spool holds: this gateway alone has
// acknowledged those rows. It goes on where it was broken off, and does
// nothing when it was done. It answers how many rows came. Kind Corrupt: the
// other store cannot be opened, or rows of it, which are named, cannot be
// read; those beside them came.
func (s *Store) AdoptSpool(aside string) (int, error) {
	old := &Store{dir: aside, disk: s.disk, now: s.now, log: s.log, fatal: s.fatal}
	options := old.pebbleOptions(Options{})
	defer options.Cache.Unref()
	options.ReadOnly = true
	db, err := pebble.Open(aside, options)
	if err != nil {
		return 0, shardlog.Errorf(shardlog.Corrupt, "adopt spool", "%s: %w", aside, err)
	}
	defer db.Close()
	old.db = db
	if err := old.spool.load(old); err != nil {
		return 0, shardlog.Errorf(shardlog.Corrupt, "adopt spool", "%s: %w", aside, err)
	}
	return s.spool.adopt(&old.spool, localAdopted+aside)
}

// adopt copies the rows piece by piece, each in one synced write with the
// number of the last one.
func (sp *Spool) adopt(old *Spool, mark string) (int, error) {
	next := old.count.first
	if b, err := sp.s.Local(mark); err == nil {
		next = max(next, indexOf(b))
	}
	var bad []error
	count := 0
	for next < old.count.next {
		r := spoolReading{s: sp.s, db: old.s.db, of: mark, next: next, end: old.count.next, max: adoptBytes}
		rows, err := r.run()
		if err != nil && shardlog.KindOf(err) != shardlog.Corrupt {
			return count, err
		}
		bad, next = append(bad, err), r.next
		if err := sp.appendWith(rows, mark, next); err != nil {
			return count, err
		}
		count += len(rows)
	}
	return count, errors.Join(bad...)
}

// appendWith is Append of rows of another spool, with how far they reach.
func (sp *Spool) appendWith(rows []Row, mark string, next uint64) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	after := sp.count
	b := sp.s.db.NewBatch()
	defer b.Close()
	for _, row := range rows {
		if err := b.Set(spoolKey(after.next), spoolValue(row.Bytes), nil); err != nil {
			return err
		}
		after.next++
		after.bytes += uint64(len(row.Bytes))
	}
	if err := b.Set(localKey(mark), numberValue(next), nil); err != nil {
		return err
	}
	return sp.commit(b, after, pebble.Sync)
}
