// Package store keeps everything a gateway must not forget in one Pebble: the
// consensus journal, the blocks, the state that commands make, and what is
// local to this box. It applies commands and reads shards. It knows no peers,
// no clock that becomes data and no protocol.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Options say how a store lives on its disk. The zero value suits a small board.
type Options struct {
	Disk     *Disk            // nil: the machine's
	Memtable uint64           // bytes, zero: 8 MiB; a command stays well under half of it, unless one record alone is larger
	Cache    int64            // bytes of Pebble's cache, zero: 4 MiB
	Decoded  int              // bytes of decoded blocks kept for readers, zero: 8 MiB
	Now      func() time.Time // only to tell readers how far behind they are; nil: time.Now
	Fatal    func(error)      // called once when a write or sync failed; must not return to the caller's work. nil: panic
	Log      *slog.Logger     // nil: slog.Default
}

// Store is the ground of a gateway. Its methods may be called from any
// goroutine; Apply is called by one at a time.
type Store struct {
	dir   string
	disk  *Disk
	db    *pebble.DB
	cache *cache
	now   func() time.Time
	log   *slog.Logger
	fatal func(error)
	wakes wakes
	// mender brings back what readers miss; nil: nobody does.
	mender atomic.Pointer[func(ctx context.Context) error]
	unread atomic.Pointer[func(err error)] // told when a command cannot be applied; nil: nobody is
	rotten sync.Map                        // names of files that are damaged, as they were logged
	cold   chan struct{}                   // one token for each read that may go to the disk
	heads  heads
	seen   seen

	mu    sync.RWMutex // guards state
	state state

	spool  Spool
	pulls  sync.Mutex // held by the one who pulls or repairs
	counts counts
	damage string // what opening had to cut off or set aside
}

// Open opens the store in dir, and makes it when it is not there. What cannot
// be read is set aside, named in the log and listed as a Gap; only a folder
// that another process holds, or that cannot be written, is an error
// (Unavailable, Internal).
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, disk: o.Disk, now: o.Now, log: o.Log, fatal: o.Fatal}
	if s.disk == nil {
		s.disk = NewDisk()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.fatal == nil {
		s.fatal = func(err error) { panic(err) }
	}
	s.cold = make(chan struct{}, coldReads)
	s.cache = newCache(orDefault(o.Decoded, 8<<20))
	if err := s.openPebble(o); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		if err = s.startOver(o, err); err != nil {
			return nil, fmt.Errorf("load state of %s: %w", dir, err)
		}
	}
	return s, errors.Join(s.takeAmnesia(), s.noteDamage())
}

// Damage says what Open had to cut off or set aside, "" when the store was
// whole. It is always about the log or the whole store, never about single
// blocks; Amnesia says so beyond this opening, and what follows from it.
func (s *Store) Damage() string { return s.damage }

// noteDamage keeps what Open had to give up among the blocks set aside.
func (s *Store) noteDamage() error {
	if s.damage == "" {
		return nil
	}
	return s.SetLocal(localAside+"open/"+s.now().UTC().Format(time.RFC3339Nano), mustJSON(Aside{Why: s.damage}))
}

// coldReads bounds how many reads go to the disk at once, so that somebody who
// reads history does not starve the writers.
const coldReads = 4

// load reads the state that was flushed last and the ends of the journal.
func (s *Store) load() error {
	if err := s.doSwitch(); err != nil {
		return err
	}
	if err := s.state.load(s.db); err != nil {
		return err
	}
	if err := s.spool.load(s); err != nil {
		return err
	}
	return s.heads.load(s.db)
}

// Close flushes what has been applied and closes the store. Readers must have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	err := s.flushState(nil)
	s.mu.Unlock()
	s.wakes.close()
	if e := s.db.Close(); err == nil {
		err = e
	}
	return err
}

// Disk is what the store lives on, with its counts.
func (s *Store) Disk() *Disk { return s.disk }

func orDefault[T int | int64 | uint64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}
