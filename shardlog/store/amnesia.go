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

// A store whose write-ahead log was cut, or that could not be opened at all,
// may have forgotten entries that it acknowledged to a leader and votes that
// it cast. That is worse than blocks that cannot be read, which a peer can
// give back: who votes after forgetting may make a leader that lacks what was
// acknowledged. So it is remembered until somebody who knows says otherwise.

const (
	localAmnesia = "amnesia"
	amnesiaFile  = "amnesia" // beside the Pebble: written before it is cut
)

// Amnesia reports whether this store may have lost part of the log that it
// had acknowledged, at this opening or an earlier one. Of a gateway that
// stands alone nothing follows: it goes on with the longest prefix there is,
// and Damage says that something is missing. One that has peers must not vote
// and must not count as a holder of anything: the caller closes the store,
// calls SetAside, opens a new one, joins as a new member and takes the spool
// over with AdoptSpools. Blocks that cannot be read are no amnesia (see Holes).
func (s *Store) Amnesia() bool {
	_, err := s.Local(localAmnesia)
	return err == nil
}

// GiveUp has Amnesia be true from now on: the store is damaged beyond what
// peers can mend block by block, and they have everything that it holds.
func (s *Store) GiveUp(why string) error { return s.SetLocal(localAmnesia, []byte(why)) }

// EndAmnesia is for who knows that no vote and no acknowledgement of this
// store's past matters any more: the operator of a gateway that stands alone,
// before others join it, or that an operator chose to recover a site from.
func (s *Store) EndAmnesia() error {
	return s.must(s.db.Delete(localKey(localAmnesia), pebble.Sync))
}

// markAmnesia writes beside the Pebble what is about to be lost, durably: a
// crash in the middle of a salvage must not make its loss forgotten.
func (s *Store) markAmnesia(fs vfs.FS, cause error) error {
	f, err := fs.Create(fs.PathJoin(s.dir, amnesiaFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("note damage: %w", err)
	}
	_, err = io.WriteString(f, cause.Error())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note damage: %w", err)
	}
	return syncDir(fs, s.dir)
}

// takeAmnesia moves the mark into the store.
func (s *Store) takeAmnesia() error {
	file := s.disk.fs().PathJoin(s.dir, amnesiaFile)
	text, err := readFile(s.disk.fs(), file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read note of damage: %w", err)
	}
	if s.damage == "" {
		s.damage = "an earlier start was broken off while it kept what could be read: " + string(text)
	}
	if err := s.SetLocal(localAmnesia, []byte(s.damage)); err != nil {
		return err
	}
	if err := s.disk.fs().Remove(file); err != nil {
		return fmt.Errorf("remove note of damage: %w", err)
	}
	return syncDir(s.disk.fs(), s.dir)
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// SetAside moves the store in dir whole to lost+found, durably, so that the
// next Open makes a new one; it answers where it lies, "" when there was no
// store. Nothing is deleted. Call it while no process has the store open;
// Kind Unavailable: one has. A nil disk is the machine's.
func SetAside(dir string, disk *Disk) (string, error) {
	if disk == nil {
		disk = NewDisk()
	}
	fs := disk.fs()
	pebbleDir := fs.PathJoin(dir, "pebble")
	if names, err := fs.List(pebbleDir); err != nil || len(names) == 0 {
		return "", nil
	}
	lock, err := pebble.LockDirectory(pebbleDir, fs)
	if err != nil {
		return "", &shardlog.Error{Kind: shardlog.Unavailable, Op: "set store aside", Err: err}
	}
	defer lock.Close()
	aside, err := makeAside(fs, dir)
	if err != nil {
		return "", err
	}
	to, err := moveStore(fs, dir, aside)
	if err != nil {
		return "", err
	}
	return to, dropFile(fs, dir, amnesiaFile)
}

// moveStore moves a Pebble into a folder that was just made for it. The
// folder is durable before the store's old name may go.
func moveStore(fs vfs.FS, dir, aside string) (string, error) {
	to := fs.PathJoin(aside, "store")
	if err := errors.Join(syncDir(fs, dir), syncDir(fs, fs.PathJoin(dir, lostAndFound))); err != nil {
		return "", err
	}
	if err := fs.Rename(fs.PathJoin(dir, "pebble"), to); err != nil {
		return "", fmt.Errorf("set store aside: %w", err)
	}
	return to, errors.Join(syncDir(fs, aside), syncDir(fs, dir))
}

// dropFile removes a file, durably, if it is there.
func dropFile(fsys vfs.FS, dir, name string) error {
	if err := fsys.Remove(fsys.PathJoin(dir, name)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return syncDir(fsys, dir)
}
