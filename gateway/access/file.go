package access

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// parseKeys reads lines "id secret"; empty lines and those that begin with #
// say nothing. Anything else is skipped and counted: one damaged line must
// not shut everybody out.
func parseKeys(text []byte) *Keys {
	keys := &Keys{secrets: make(map[string]string)}
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

// writeKeys makes the file whole or not at all: written and synced under
// another name first, then renamed, then the folder synced.
func writeKeys(path string, pair KeyPair) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "# access key id and secret, one pair a line\n%s %s\n", pair.ID, pair.Secret)
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

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
