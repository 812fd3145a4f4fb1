package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"headgate/shardlog"
)

// maxKeyFile bounds what is read: some ten thousand keys.
const maxKeyFile = 1 << 20

// readKeys reads the file and takes it away from everybody but its owner.
func readKeys(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s has %d bytes, %d are allowed", path, info.Size(), maxKeyFile)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(path)
}

// isKeyID follows AWS: 16 to 128 word characters. Shorter ones that people
// use in tests ("test") are taken as well.
func isKeyID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

func isSecret(secret string) bool {
	if len(secret) < 8 || len(secret) > 128 {
		return false
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return false
		}
	}
	return true
}

// writeFile makes a file, only its owner's, whole or not at all: written and synced under
// another name first, then renamed, then the folder synced.
func writeFile(path string, text []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// lock keeps two processes from changing the file at the same time. It lies on
// the folder, so that no file is left behind.
func lock(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir.Name(), err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil // closing gives the lock back
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// change rewrites the file while no other process does; what it does not
// understand stays as it is.
func change(path string, edit func(text []byte) ([]byte, error)) error {
	unlock, err := lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there := err == nil
	text, err := edit(old)
	if err != nil {
		return err
	}
	if there && bytes.Equal(text, old) {
		return nil
	}
	if len(text) > maxKeyFile {
		return shardlog.Errorf(shardlog.LimitExceeded, "change keys", "%s would have %d bytes, %d are allowed", path, len(text), maxKeyFile)
	}
	return writeFile(path, text)
}
