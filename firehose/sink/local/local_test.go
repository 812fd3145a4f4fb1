package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/local"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

// folder is a place for sinktest.
type folder string

func (f folder) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	s, err := local.Open(string(f))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f folder) Objects(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(string(f)), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, ".headgate-unfinished") {
			return err
		}
		all[path], err = os.ReadFile(filepath.Join(string(f), path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Break puts a file where the folder was, as a disk that was pulled would.
func (f folder) Break(t *testing.T) (mend func()) {
	t.Helper()
	away := string(f) + ".away"
	if err := errors.Join(os.Rename(string(f), away), os.WriteFile(string(f), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(string(f)), os.Rename(away, string(f))); err != nil {
			t.Fatal(err)
		}
	}
}

func encoder(t *testing.T, compression string) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSink(t *testing.T) {
	for _, compression := range []string{encode.Gzip, encode.Zstd, encode.None} {
		t.Run(compression, func(t *testing.T) {
			sinktest.Run(t, encoder(t, compression), func(t *testing.T) sinktest.Place {
				return folder(filepath.Join(t.TempDir(), "out"))
			})
		})
	}
}

func TestNamesStayInTheFolder(t *testing.T) {
	for _, name := range []string{"../up", "a/../../up", "/abs", "", ".headgate-unfinished/x", "link/x"} {
		f := folder(filepath.Join(t.TempDir(), "out"))
		s := f.Sink(t)
		outside := t.TempDir()
		if err := os.Symlink(outside, filepath.Join(string(f), "link")); err != nil {
			t.Fatal(err)
		}
		b := sinktest.Batch(encoder(t, encode.None), "x", 1, 1, 10)
		b.Object = name
		if r := s.Deliver(t.Context(), b); r.Class != firehose.Config {
			t.Errorf("%q: %s: %v", name, r.Class, r.Err)
		}
		if found, _ := os.ReadDir(outside); len(found) > 0 {
			t.Errorf("%q left the folder", name)
		}
	}
}

func TestHalfWrittenObjectsAreCleared(t *testing.T) {
	f := folder(filepath.Join(t.TempDir(), "out"))
	f.Sink(t)
	left := filepath.Join(string(f), ".headgate-unfinished", "object-1")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f.Sink(t); !exists(left) {
		t.Error("what another sink may be writing was taken away")
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	f.Sink(t)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func TestNoFolderIsInvalid(t *testing.T) {
	if _, err := local.Open(""); shardlog.KindOf(err) != shardlog.Invalid {
		t.Error(err)
	}
}

func TestAFullDiskIsTriedAgain(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no /dev/full here")
	}
	f, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := sinktest.Batch(encoder(t, encode.None), "x", 1, 10, 10)
	if r := local.Classify(b.Encode(context.Background(), f)); r.Class != firehose.Transient {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}
