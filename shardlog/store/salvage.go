package store

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"

	"headgate/shardlog"
)

// A store that Pebble refuses to open must not keep the gateway down: nobody
// can log in. First the write-ahead log is kept up to its last good record,
// which is the longest prefix that was acknowledged in order; when that does
// not help, the whole store is set aside and an empty one begun. What was
// taken away lies in lost+found, nothing is deleted.

const lostAndFound = "lost+found"

func (s *Store) salvage(options *pebble.Options, cause error) (*pebble.DB, error) {
	fs := options.FS
	aside, err := makeAside(fs, s.dir)
	if err != nil {
		return nil, err
	}
	s.log.Error("store is damaged; keeping what can be read", "folder", s.dir, "aside", aside, "error", cause)
	if err := s.markAmnesia(fs, cause); err != nil {
		return nil, err
	}
	cut, err := cutLogs(fs, s.pebbleDir(), aside)
	if err != nil {
		return nil, err
	}
	if cut != "" {
		db, err := pebble.Open(s.pebbleDir(), options)
		if err == nil {
			s.damage = fmt.Sprintf("write-ahead log was cut at %s: %v; the old one is in %s", cut, cause, aside)
			return db, nil
		}
		s.log.Error("cutting the write-ahead log was not enough", "error", err)
	}
	if _, err := moveStore(fs, s.dir, aside); err != nil {
		return nil, err
	}
	if err := s.begin(options); err != nil {
		return nil, err
	}
	s.damage = fmt.Sprintf("the store could not be opened and was set aside in %s: %v", aside, cause)
	return pebble.Open(s.pebbleDir(), options)
}

// startOver sets a store aside whose state cannot be read, and begins a new
// one. Errors other than corruption are returned.
func (s *Store) startOver(o Options, cause error) error {
	if err := s.db.Close(); err != nil {
		s.log.Error("close damaged store", "error", err.Error())
	}
	if shardlog.KindOf(cause) != shardlog.Corrupt && !pebble.IsCorruptionError(cause) {
		return cause
	}
	fs := s.disk.fs()
	if err := s.markAmnesia(fs, cause); err != nil {
		return err
	}
	aside, err := makeAside(fs, s.dir)
	if err != nil {
		return err
	}
	to, err := moveStore(fs, s.dir, aside)
	if err != nil {
		return err
	}
	s.log.Error("store is damaged; its state cannot be read, beginning a new one", "folder", s.dir, "aside", to, "error", cause.Error())
	if err := s.openPebble(o); err != nil {
		return err
	}
	s.damage = fmt.Sprintf("the state could not be read, the store was set aside in %s: %v", to, cause)
	s.state, s.heads = state{}, heads{}
	return s.load()
}

// makeAside makes a folder for what is set aside now.
func makeAside(fs vfs.FS, dir string) (string, error) {
	aside := fs.PathJoin(dir, lostAndFound, time.Now().UTC().Format("20060102-150405.000"))
	if err := fs.MkdirAll(aside, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", aside, err)
	}
	return aside, nil
}

// cutLogs cuts the first log that has a bad record in its middle behind its
// last good record and takes the later ones away; copies of all go to aside.
// It answers where it cut, "" when every log reads well.
func cutLogs(fs vfs.FS, dir, aside string) (string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return "", fmt.Errorf("list store: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") })
	slices.Sort(names)
	cut := ""
	for _, name := range names {
		file := fs.PathJoin(dir, name)
		if cut != "" {
			if err := fs.Rename(file, fs.PathJoin(aside, name)); err != nil {
				return "", fmt.Errorf("set log aside: %w", err)
			}
			continue
		}
		good, bad, err := goodPrefix(fs, file)
		if err != nil {
			return "", err
		}
		if !bad {
			continue
		}
		if err := rewrite(fs, file, fs.PathJoin(aside, name), good); err != nil {
			return "", err
		}
		cut = fmt.Sprintf("%s:%d", name, good)
	}
	return cut, nil
}

// goodPrefix is how many bytes of a log hold whole records, and whether
// something other than its end follows.
func goodPrefix(fs vfs.FS, file string) (int64, bool, error) {
	f, err := fs.Open(file)
	if err != nil {
		return 0, false, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	number, err := strconv.ParseUint(strings.TrimSuffix(path.Base(file), ".log"), 10, 64)
	if err != nil {
		return 0, false, nil // not one of Pebble's
	}
	r := newReader(record.NewReader, f, number)
	for {
		good := r.Offset()
		rec, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		if errors.Is(err, io.EOF) {
			return good, false, nil
		}
		if err != nil {
			return good, true, nil
		}
	}
}

// newReader calls make with a number whose type Pebble keeps to itself.
func newReader[N ~uint64](make func(io.Reader, N) *record.Reader, f io.Reader, number uint64) *record.Reader {
	return make(f, N(number))
}

// rewrite moves file to aside and puts its first bytes back in its place.
func rewrite(fs vfs.FS, file, aside string, size int64) error {
	if err := fs.Rename(file, aside); err != nil {
		return fmt.Errorf("set log aside: %w", err)
	}
	from, err := fs.Open(aside)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer from.Close()
	to, err := fs.Create(file, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	if _, err := io.Copy(to, io.LimitReader(from, size)); err != nil {
		to.Close()
		return fmt.Errorf("copy log: %w", err)
	}
	return errors.Join(to.Sync(), to.Close())
}
