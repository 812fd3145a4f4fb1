package enrol_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"headgate/firmware-sim/enrol"
)

// The door itself is tested against the gateway, in gateway/devices_renew_test.go.
func TestFolderIsForItsOwner(t *testing.T) {
	folder := enrol.Folder(filepath.Join(t.TempDir(), "devices"))
	if _, err := folder.Load("press-7"); !errors.Is(err, enrol.ErrNone) {
		t.Error(err)
	}
	for _, name := range []string{"", "../x", "a/b", ".hidden"} {
		if _, err := folder.Load(name); err == nil || errors.Is(err, enrol.ErrNone) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := folder.Promote("press-7"); err != nil {
		t.Error(err)
	}
	if err := os.MkdirAll(string(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"b.pem", "a.pem", "a.next.pem", "other.txt"} {
		if err := os.WriteFile(filepath.Join(string(folder), file), []byte("no certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := folder.Names(); err != nil || len(names) != 2 || names[0] != "a" {
		t.Error(names, err)
	}
	if _, err := folder.Load("a"); err == nil || errors.Is(err, enrol.ErrNone) {
		t.Errorf("a file of other things was taken: %v", err)
	}
	if _, err := enrol.Trust(filepath.Join(string(folder), "a.pem")); err == nil {
		t.Error("a file of other things was trusted")
	}
}
