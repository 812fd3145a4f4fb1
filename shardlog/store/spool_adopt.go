package store

import (
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/shardlog"
)

const localAdopted = "adopted/" // + where the other store lies: how far its spool was taken over

// adoptBytes is how much one synced write takes over.
const adoptBytes = 1 << 20

// takenFile lies beside a store that was set aside once its spool was taken
// over: outside of both stores, so that the loss of this one does not undo it.
const takenFile = "spool-taken"

// AdoptSpools takes over the spools of all stores in lost+found, oldest first,
// each once: this gateway alone has acknowledged what they hold, and a start
// that was to take them over may have been broken off. It answers how many
// rows came. Kind Corrupt names stores and rows that cannot be read; what lies
// beside them came. A store that cannot be opened is tried at the next call again.
func (s *Store) AdoptSpools() (int, error) {
	fs := s.disk.fs()
	found := fs.PathJoin(s.dir, lostAndFound)
	names, err := fs.List(found)
	if err != nil {
		return 0, nil // nothing was ever set aside
	}
	slices.Sort(names)
	total, bad := 0, []error(nil)
	for _, name := range names {
		aside := fs.PathJoin(found, name)
		if !exists(fs, fs.PathJoin(aside, "store")) || exists(fs, fs.PathJoin(aside, takenFile)) {
			continue
		}
		n, done, err := s.adoptSpool(fs.PathJoin(aside, "store"))
		if total += n; done {
			err = errors.Join(err, touch(fs, aside, takenFile))
		}
		bad = append(bad, err)
	}
	return total, errors.Join(bad...)
}

func exists(fs vfs.FS, name string) bool {
	_, err := fs.Stat(name)
	return err == nil
}

// touch makes an empty file, durably.
func touch(fs vfs.FS, dir, name string) error {
	f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(fs, dir))
}

// AdoptSpool takes over what the spool of a store holds that was set aside
// (SetAside says where), behind what this spool holds: this gateway alone has
// acknowledged those rows. It goes on where it was broken off, and does
// nothing when it was done. It answers how many rows came. Kind Corrupt: the
// other store cannot be opened, or rows of it, which are named, cannot be
// read; those beside them came.
func (s *Store) AdoptSpool(aside string) (int, error) {
	n, _, err := s.adoptSpool(aside)
	return n, err
}

// adoptSpool is AdoptSpool; done is whether it came to the end of the rows.
func (s *Store) adoptSpool(aside string) (n int, done bool, err error) {
	old := &Store{dir: aside, disk: s.disk, now: s.now, log: s.log, fatal: s.fatal}
	options := old.pebbleOptions(Options{})
	defer options.Cache.Unref()
	options.ReadOnly = true
	db, err := pebble.Open(aside, options)
	if err != nil {
		return 0, false, shardlog.Errorf(shardlog.Corrupt, "adopt spool", "%s: %w", aside, err)
	}
	defer db.Close()
	old.db = db
	if err := old.spool.load(old); err != nil {
		return 0, false, shardlog.Errorf(shardlog.Corrupt, "adopt spool", "%s: %w", aside, err)
	}
	return s.spool.adopt(&old.spool, localAdopted+aside)
}

// adopt copies the rows piece by piece, each in one synced write with the
// number of the last one.
func (sp *Spool) adopt(old *Spool, mark string) (count int, done bool, _ error) {
	next := old.count.first
	if b, err := sp.s.Local(mark); err == nil {
		next = max(next, indexOf(b))
	}
	var bad []error
	for next < old.count.next {
		r := spoolReading{s: sp.s, db: old.s.db, of: mark, next: next, end: old.count.next, max: adoptBytes}
		rows, err := r.run()
		if err != nil && shardlog.KindOf(err) != shardlog.Corrupt {
			return count, false, err
		}
		bad, next = append(bad, err), r.next
		if err := sp.appendWith(rows, mark, next); err != nil {
			return count, false, err
		}
		count += len(rows)
	}
	return count, true, errors.Join(bad...)
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
