// Package local delivers into a folder of this machine: a disk that is
// carried to where the network is. An object appears whole, under its own
// name, once its bytes are on the disk. It does not know what they mean.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"headgate/firehose"
	"headgate/shardlog"
)

// Sink is a folder.
type Sink struct{ folder string }

var _ firehose.Sink = (*Sink)(nil)

// unfinished is where objects are written before they get their name.
const unfinished = ".headgate-unfinished"

// Open makes the folder if it is not there and clears what an earlier process
// left unfinished. Kind Invalid: no folder is named, or it cannot be one.
func Open(folder string) (*Sink, error) {
	if folder == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "no folder is named")
	}
	s := &Sink{folder: folder}
	if err := os.RemoveAll(s.path(unfinished)); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "%w", err)
	}
	if err := os.MkdirAll(s.path(unfinished), 0o700); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open folder sink", "%w", err)
	}
	return s, nil
}

func (s *Sink) path(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }

// Caps has no limits.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{} }

// String is the folder.
func (s *Sink) String() string { return "folder " + s.folder }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe sees whether the folder can be written to.
func (s *Sink) Probe(context.Context) firehose.Result {
	if err := os.MkdirAll(s.path(unfinished), 0o700); err != nil {
		return classify(err)
	}
	f, err := os.CreateTemp(s.path(unfinished), "probe-*")
	if err != nil {
		return classify(err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
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
	name := s.path(b.Object)
	if r, there := compare(name, b); there {
		return r
	}
	if err := s.makeFolder(filepath.Dir(name)); err != nil {
		return classify(err)
	}
	size, temporary, err := s.write(ctx, b)
	if temporary != "" {
		defer os.Remove(temporary)
	}
	if err != nil {
		return classify(err)
	}
	// Link, unlike rename, does not replace what somebody else put there meanwhile.
	if err := os.Link(temporary, name); errors.Is(err, os.ErrExist) {
		r, _ := compare(name, b)
		return r
	} else if err != nil {
		if err := os.Rename(temporary, name); err != nil { // a file system without links
			return classify(err)
		}
	}
	if err := syncFolder(filepath.Dir(name)); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: size}
}

// write puts the object's bytes onto the disk, under a name of no meaning.
func (s *Sink) write(ctx context.Context, b *firehose.Batch) (size int64, name string, err error) {
	if err := os.MkdirAll(s.path(unfinished), 0o700); err != nil {
		return 0, "", err
	}
	f, err := os.CreateTemp(s.path(unfinished), "object-*")
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if err := b.Encode(ctx, f); err != nil {
		return 0, f.Name(), err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, f.Name(), err
	}
	return info.Size(), f.Name(), errors.Join(f.Chmod(0o644), f.Sync())
}

// compare holds what is under the name against the batch; false when nothing is.
func compare(name string, b *firehose.Batch) (firehose.Result, bool) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return firehose.Result{}, false
	}
	if err != nil {
		return classify(err), true
	}
	defer f.Close()
	same, err := b.Verify(f)
	if err != nil || !same {
		return firehose.Fail(firehose.Config, fmt.Errorf("%s is there with other content: move it away: %w", name, errors.Join(err, errOther))), true
	}
	return firehose.Result{Class: firehose.Delivered, Already: true}, true
}

var errOther = errors.New("not what was sealed under that name")

// makeFolder makes a folder and the names that lead to it durable.
func (s *Sink) makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for at := dir; at != s.folder && at != filepath.Dir(at); at = filepath.Dir(at) {
		if err := syncFolder(filepath.Dir(at)); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// inside reports whether an object's name stays in the folder.
func inside(object string) bool {
	return object != "" && filepath.IsLocal(filepath.FromSlash(object)) && !strings.HasPrefix(object, unfinished)
}

// classify says what a failure means for the delivery.
func classify(err error) firehose.Result {
	switch {
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return firehose.Fail(firehose.Config, err)
	}
	return firehose.Fail(firehose.Transient, err) // a full disk too: somebody will change it
}
