// Package local delivers into a folder of this machine: a disk that is
// carried to where the network is. An object appears whole, under its own
// name, once its bytes are on the disk. It does not know what they mean.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Sink is a folder.
type Sink struct {
	folder string

	mu     sync.Mutex
	synced string // the last folder that is known to be durable by name; guarded by mu
}

var _ firehose.Sink = (*Sink)(nil)

// unfinished is where objects are written before they get their name.
const unfinished = ".headgate-unfinished"

// Open makes the folder if it is not there and clears what an earlier process
// left unfinished. Kind Invalid: no folder is named, or it cannot be one.
func Open(folder string) (*Sink, error) {
	if folder == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "no folder is named")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "%w", err)
	}
	clearUnfinished(filepath.Join(folder, unfinished))
	s := &Sink{folder: folder}
	root, err := s.root()
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "%w", err)
	}
	return s, root.Close()
}

// abandoned is how old an unfinished object is when nobody can still be
// writing it: other sinks may be at work in the same folder.
const abandoned = time.Hour

// clearUnfinished takes away what an earlier process left. What it cannot
// take away stays: it only takes room.
func clearUnfinished(dir string) {
	left, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range left {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// root opens the folder anew each time, for the disk may have been changed.
// What it opens cannot leave the folder, not by a symbolic link either.
func (s *Sink) root() (*os.Root, error) {
	r, err := os.OpenRoot(s.folder)
	if err != nil {
		return nil, err
	}
	if err := r.MkdirAll(unfinished, 0o700); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Caps has no limits.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{} }

// String is the folder.
func (s *Sink) String() string { return "folder " + s.folder }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe sees whether the folder can be written to.
func (s *Sink) Probe(context.Context) firehose.Result {
	root, err := s.root()
	if err != nil {
		return classify(err)
	}
	defer root.Close()
	f, name, err := create(root)
	if err != nil {
		return classify(err)
	}
	if err := errors.Join(f.Close(), root.Remove(name)); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver writes the object, syncs it and then names it. What is there
// already under that name is compared, never overwritten.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if !inside(b.Object) {
		return firehose.Fail(firehose.Config, fmt.Errorf("object name %q leaves the folder", b.Object))
	}
	root, err := s.root()
	if err != nil {
		return classify(err)
	}
	defer root.Close()
	if r, there := s.compare(root, b); there {
		return r
	}
	size, temporary, err := write(ctx, root, b)
	if temporary != "" {
		defer root.Remove(temporary)
	}
	if err != nil {
		return classify(err)
	}
	if err := root.MkdirAll(path.Dir(b.Object), 0o755); err != nil {
		return classify(err)
	}
	// Link, unlike rename, does not replace what somebody else put there meanwhile.
	if err := root.Link(temporary, b.Object); errors.Is(err, fs.ErrExist) {
		r, _ := s.compare(root, b)
		return r
	} else if err != nil {
		if err := root.Rename(temporary, b.Object); err != nil { // a file system without links
			return classify(err)
		}
	}
	if err := s.syncFolders(root, path.Dir(b.Object), false); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: size}
}

// create opens a new file under a name of no meaning.
func create(root *os.Root) (*os.File, string, error) {
	name := path.Join(unfinished, rand.Text())
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return f, name, err
}

// write puts the object's bytes onto the disk. The name it answers, unless
// empty, is the caller's to remove.
func write(ctx context.Context, root *os.Root, b *firehose.Batch) (size int64, name string, err error) {
	f, name, err := create(root)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if err := b.Encode(ctx, f); err != nil {
		return 0, name, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, name, err
	}
	return info.Size(), name, f.Sync()
}

// compare holds what is under the name against the batch; false when nothing
// is. The process that put it there may have died before its name was
// durable, so that is made up for.
func (s *Sink) compare(root *os.Root, b *firehose.Batch) (firehose.Result, bool) {
	f, err := root.Open(b.Object)
	if errors.Is(err, fs.ErrNotExist) {
		return firehose.Result{}, false
	}
	if err != nil {
		return classify(err), true
	}
	defer f.Close()
	same, err := b.Verify(f)
	if err != nil || !same {
		return firehose.Fail(firehose.Config, fmt.Errorf("%s is there with other content: move it away: %w", b.Object, errors.Join(err, errOther))), true
	}
	if err := errors.Join(f.Sync(), s.syncFolders(root, path.Dir(b.Object), true)); err != nil {
		return classify(err), true
	}
	return firehose.Result{Class: firehose.Delivered, Already: true}, true
}

var errOther = errors.New("not what was sealed under that name")

// syncFolders makes the names in dir durable, and those that lead to dir
// unless that was done before by this process. A new folder is synced into
// its parents even when another process made it.
func (s *Sink) syncFolders(root *os.Root, dir string, all bool) error {
	s.mu.Lock()
	known := s.synced == dir && !all
	s.mu.Unlock()
	for at := dir; ; at = path.Dir(at) {
		f, err := root.Open(at)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if known || at == "." {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = dir
	return nil
}

// inside reports whether an object's name stays in the folder.
func inside(object string) bool {
	return object != "" && object == path.Clean(object) && filepath.IsLocal(filepath.FromSlash(object)) && !strings.HasPrefix(object, unfinished)
}

// classify says what a failure means for the delivery. A name that leaves the
// folder by a link is refused by os.Root, which is no errno of the system.
func classify(err error) firehose.Result {
	var name *fs.PathError
	var number syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR),
		errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL):
		return firehose.Fail(firehose.Config, err)
	case errors.As(err, &name) && !errors.As(err, &number) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrClosed):
		return firehose.Fail(firehose.Config, err)
	}
	return firehose.Fail(firehose.Transient, err) // a full disk too: somebody will change it
}
