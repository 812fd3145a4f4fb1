package local_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/local"
	"headgate/firehose/sinktest"
)

// folder is a folder under test.
type folder string

func (f folder) Open(t *testing.T) firehose.Sink {
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
	err := filepath.WalkDir(string(f), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(string(f), path)
		if err != nil || strings.HasPrefix(name, ".") {
			return err
		}
		all[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFolder(t *testing.T) { sinktest.Test(t, folder(t.TempDir()), encode.New) }

func TestNamesStayInTheFolder(t *testing.T) {
	dir := t.TempDir()
	s := folder(filepath.Join(dir, "sink")).Open(t)
	for _, name := range []string{"../out.gz", "/etc/out.gz", "a/../../out.gz", ""} {
		if r := s.Deliver(context.Background(), &firehose.Batch{Object: name}); r.Class != firehose.Config {
			t.Errorf("%q: %v", name, r.Class)
		}
	}
}
