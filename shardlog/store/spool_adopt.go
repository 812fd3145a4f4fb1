package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/shardlog"
)

const localAdopted = "adopted/" // + where the other store lies: how far its spool was taken over

// adoptBytes is how much one synced write takes over.
const adoptBytes = 1 << 20

// adoptedFile lies beside a store set aside once its spool has been taken
// over, or cannot be: not in the store that took it, which may be set aside
// itself.
const adoptedFile = "adopted"

// AdoptSpools is AdoptSpool of every store that was ever set aside in the
// store's folder, each once. It is called at every start, because the power
// may have gone between setting a store aside and taking its spool over. An
// error of kind Corrupt names what could not be taken over, once; whoever
// starts a gateway says so and goes on.
func (s *Store) AdoptSpools() (int, error) {
	fsys := s.disk.fs()
	all := fsys.PathJoin(s.dir, lostAndFound)
	names, err := fsys.List(all)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for stores set aside: %w", err)
	}
	count := 0
	var bad []error
	for _, name := range names {
		aside := fsys.PathJoin(all, name)
		if _, err := fsys.Stat(fsys.PathJoin(aside, "store")); err != nil {
			continue
		}
		if _, err := fsys.Stat(fsys.PathJoin(aside, adoptedFile)); err == nil {
			continue
		}
		n, err := s.AdoptSpool(fsys.PathJoin(aside, "store"))
		count += n
		if err != nil && shardlog.KindOf(err) != shardlog.Corrupt {
			return count, err
		}
		bad = append(bad, err)
		if err := noteAdopted(fsys, aside, n, err); err != nil {
			return count, err
		}
	}
	return count, errors.Join(bad...)
}

func noteAdopted(fsys vfs.FS, aside string, rows int, bad error) error {
	f, err := fsys.Create(fsys.PathJoin(aside, adoptedFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("note adopted spool: %w", err)
	}
	text := fmt.Sprintf("%d spool rows were taken over\n", rows)
	if bad != nil {
		text += bad.Error() + "\n"
	}
	_, err = io.WriteString(f, text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note adopted spool: %w", err)
	}
	return syncDir(fsys, aside)
}

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
		kind := shardlog.Internal // too many files, no memory: it is tried again
		if pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) {
			kind = shardlog.Corrupt
		}
		return 0, shardlog.Errorf(kind, "adopt spool", "%s: %w", aside, err)
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
