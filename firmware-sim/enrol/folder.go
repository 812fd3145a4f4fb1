// Package enrol is how a device gets its certificate and renews it: a P-256
// key of its own, a certificate request, a claim code or the certificate that it
// has. It keeps both in a folder, and knows of the gateway the two doors alone.
package enrol

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What the names of files end in. A file holds certificate and key, so that
// they change together; openssl, curl and Mosquitto's clients take it for both.
const (
	current = ".pem"
	next    = ".next.pem" // issued, and no connection was made with it yet
)

// ErrNone says that the folder has no certificate of that name.
var ErrNone = errors.New("not enrolled")

// Folder keeps the certificates of devices, each in a file NAME.pem that only
// its owner may read.
type Folder string

// Names are the devices that have a certificate, in order.
func (f Folder) Names() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), current); ok && !strings.HasSuffix(e.Name(), next) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Load reads a device's certificate and key. ErrNone when there is none.
func (f Folder) Load(name string) (tls.Certificate, error) { return f.load(name, current) }

// Next reads the one that was issued and not used yet. ErrNone when there is none.
func (f Folder) Next(name string) (tls.Certificate, error) { return f.load(name, next) }

func (f Folder) load(name, end string) (tls.Certificate, error) {
	path, err := f.path(name, end)
	if err != nil {
		return tls.Certificate{}, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, fmt.Errorf("%s: %w", name, ErrNone)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	c, err := tls.X509KeyPair(text, text)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate of %s: %w", name, err)
	}
	return c, nil
}

// save writes a file that is whole or not there.
func (f Folder) save(name, end string, text []byte) error {
	path, err := f.path(name, end)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("make folder of certificates: %w", err)
	}
	draft, err := os.CreateTemp(string(f), ".draft-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep certificate: %w", err)
	}
	_, err = draft.Write(text)
	if err == nil {
		err = draft.Sync()
	}
	err = errors.Join(err, draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep certificate: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}

// Promote puts the next certificate in the place of the current one, after a
// connection was made with it. Without a next one it does nothing.
func (f Folder) Promote(name string) error {
	from, err := f.path(name, next)
	if err != nil {
		return err
	}
	err = os.Rename(from, filepath.Join(string(f), name+current))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f Folder) path(name, end string) (string, error) {
	if name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q is no name for a file", name)
	}
	return filepath.Join(string(f), name+end), nil
}
