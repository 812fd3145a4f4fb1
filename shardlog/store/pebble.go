package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/shardlog"
)

// pebbleOptions are the settings that were measured to pass each stored byte
// to the disk twice, once in the WAL and once at the flush, and not again:
// values go to blob files that compactions do not rewrite, blocks are
// compressed already, and tables never span two classes.
func (s *Store) pebbleOptions(o Options) *pebble.Options {
	p := &pebble.Options{
		FS:                          s.disk.fs(),
		Logger:                      logger{s},
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                orDefault(o.Memtable, 8<<20),
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       64,
		MaxManifestFileSize:         4 << 20,
		BytesPerSync:                1 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
	}
	// Pebble's own answer to bytes that rotted is to end the process, and the
	// next, and the one after that.
	p.EventListener = &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
		if _, told := s.rotten.LoadOrStore(info.Path, true); !told {
			s.log.Error("store file is damaged", "file", info.Path, "error", info.Details.Error())
		}
	}}
	p.Cache = pebble.NewCache(orDefault(o.Cache, 4<<20))
	p.Experimental.ReadSamplingMultiplier = -1
	p.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           256,
			MaxBlobReferenceDepth: 1000,
			RewriteMinimumAge:     time.Hour,
			TargetGarbageRatio:    0.5,
		}
	}
	p.Experimental.SpanPolicyFunc = spanPolicy
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	return p
}

// spanPolicy ends a span with its prefix, and within the blocks with their class.
func spanPolicy(start []byte) (pebble.SpanPolicy, []byte, error) {
	switch {
	case len(start) == 0:
		return pebble.SpanPolicy{}, []byte{prefixBlock}, nil
	case start[0] == prefixBlock && len(start) > 1:
		return pebble.SpanPolicy{}, after(start[:2]), nil
	}
	return pebble.SpanPolicy{}, after(start[:1]), nil
}

func (s *Store) openPebble(o Options) error {
	options := s.pebbleOptions(o)
	defer options.Cache.Unref()
	if err := options.FS.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := s.yieldBallast(); err != nil {
		return err
	}
	if err := s.begin(options); err != nil {
		return err
	}
	db, err := s.openChecked(options)
	if err != nil {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "open store " + s.dir, Err: err}
	}
	s.db = db
	return nil
}

// openChecked opens the Pebble, and what can be read of a damaged one.
func (s *Store) openChecked(options *pebble.Options) (*pebble.DB, error) {
	var rotten errRottenTail
	if err := checkTail(options.FS, s.pebbleDir()); errors.As(err, &rotten) {
		return s.salvage(options, err)
	} else if err != nil {
		return nil, err
	}
	db, err := pebble.Open(s.pebbleDir(), options)
	if err != nil && pebble.IsCorruptionError(err) {
		return s.salvage(options, err)
	}
	return db, err
}

// begin makes a new store and closes it again: the very first log of a Pebble
// is written without the sync marks that tell rot from a torn end.
func (s *Store) begin(options *pebble.Options) error {
	if names, err := options.FS.List(s.pebbleDir()); err == nil && len(names) > 0 {
		return nil
	}
	db, err := pebble.Open(s.pebbleDir(), options)
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		err = errors.Join(syncDir(options.FS, s.dir), syncDir(options.FS, options.FS.PathDir(s.dir)))
	}
	if err != nil {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "make store " + s.dir, Err: err}
	}
	return nil
}

// syncDir makes the names in a folder durable: Pebble does so for its own
// folder, not for those above it.
func syncDir(fs vfs.FS, name string) error {
	d, err := fs.OpenDir(name)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *Store) pebbleDir() string { return s.disk.fs().PathJoin(s.dir, "pebble") }

// logger carries Pebble's log lines; its Fatalf is how a failed write or sync
// ends the process.
type logger struct{ s *Store }

func (l logger) Infof(format string, args ...any) {
	l.s.log.Debug(fmt.Sprintf("pebble: "+format, args...))
}

// Errorf says at every turn that a file is damaged; DataCorruption has told.
func (l logger) Errorf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok && pebble.IsCorruptionError(err) {
			return
		}
	}
	l.s.log.Error(fmt.Sprintf("pebble: "+format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.s.die(fmt.Errorf(format, args...))
}

// die reports a failure after which nothing may be acknowledged.
func (s *Store) die(err error) {
	err = &shardlog.Error{Kind: shardlog.Internal, Op: "write store", Err: err}
	s.fatal(err)
	panic(err)
}

// must ends the process on a failed write, except after Close.
func (s *Store) must(err error) error {
	if err == nil || errors.Is(err, pebble.ErrClosed) {
		return err
	}
	s.die(err)
	return err
}
