package access

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// pairs are the pairs of a key file, and how many of its lines are none.
type pairs struct {
	secrets map[string]string
	skipped int
}

// fileHead tells people who open the file what it holds.
const fileHead = "# access key id and secret, one pair a line\n"

func appendPair(text []byte, pair KeyPair) []byte {
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	return fmt.Appendf(text, "%s %s\n", pair.ID, pair.Secret)
}

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

// parseKeys reads lines "id secret"; empty lines and those that begin with #
// say nothing. Anything else is skipped and counted: one damaged line must
// not shut everybody out.
func parseKeys(text []byte) pairs {
	keys := pairs{secrets: make(map[string]string)}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		fields := strings.Fields(string(line))
		if len(fields) != 2 || !isKeyID(fields[0]) || !isSecret(fields[1]) {
			keys.skipped++
			continue
		}
		keys.secrets[fields[0]] = fields[1]
	}
	return keys
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
