package access

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"headgate/shardlog"
)

// The files of a site's folder. A gateway's certificate and key share a file,
// so that one rename replaces both.
const (
	authorityFile    = "ca.pem"
	authorityKeyFile = "ca.key"
	ownFile          = "gateway.pem"
	peersFile        = "peers"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// makeFolder writes all papers into a folder beside the final one and renames
// it, so that there are all of them or none.
func (s *Site) makeFolder() error {
	if _, err := os.Lstat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = shardlog.Errorf(shardlog.InUse, "make papers", "%s is there already", s.dir)
		}
		return err
	}
	next := s.dir + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return err
	}
	key, err := keyPEM(s.key)
	if err != nil {
		return err
	}
	if err := errors.Join(
		writeFile(filepath.Join(next, authorityFile), certificatePEM(s.authority.Raw)),
		writeFile(filepath.Join(next, authorityKeyFile), key),
		writeOwn(next, s.own),
	); err != nil {
		return err
	}
	if err := os.Rename(next, s.dir); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(s.dir))
}

// ownersOnly takes a folder away from everybody but its owner.
func ownersOnly(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// writeOwn writes key and certificate of this gateway, whole or not at all.
func writeOwn(dir string, own *tls.Certificate) error {
	key, err := keyPEM(own.PrivateKey.(ed25519.PrivateKey))
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, ownFile), append(key, certificatePEM(own.Certificate...)...))
}

func readOwn(dir string) (*tls.Certificate, error) {
	text, err := readKeys(filepath.Join(dir, ownFile))
	if err != nil {
		return nil, err
	}
	key, rest, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ownFile, err)
	}
	leaf, rest := pem.Decode(rest)
	authority, _ := pem.Decode(rest)
	if leaf == nil || authority == nil {
		return nil, fmt.Errorf("%s: a certificate is missing", ownFile)
	}
	own, err := ownOf(leaf.Bytes, authority.Bytes, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ownFile, err)
	}
	if public, ok := own.Leaf.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("%s: key and certificate do not belong together", ownFile)
	}
	return own, nil
}

func readCertificate(dir, name string) (*x509.Certificate, error) {
	text, err := readKeys(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificateBlock {
		return nil, fmt.Errorf("%s holds no certificate", name)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func readAuthorityKey(dir string, authority *x509.Certificate) (ed25519.PrivateKey, error) {
	text, err := readKeys(filepath.Join(dir, authorityKeyFile))
	if err != nil {
		return nil, err
	}
	key, _, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authorityKeyFile, err)
	}
	if public, ok := authority.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("%s is not the key of %s", authorityKeyFile, authorityFile)
	}
	return key, nil
}

// parseKey reads the key at the beginning of a file. Its errors do not repeat
// what they read.
func parseKey(text []byte) (ed25519.PrivateKey, []byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, nil, errors.New("no key found")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("the key cannot be read")
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, nil, errors.New("the key is of a kind that is not used here")
	}
	return key, rest, nil
}

func keyPEM(key ed25519.PrivateKey) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: raw}), nil
}

func certificatePEM(raw ...[]byte) []byte {
	var text bytes.Buffer
	for _, r := range raw {
		_ = pem.Encode(&text, &pem.Block{Type: certificateBlock, Bytes: r}) // a buffer takes everything
	}
	return text.Bytes()
}

// setAside renames a file that is of no use, if it is there.
func setAside(dir, name string) error {
	at := filepath.Join(dir, name)
	if err := os.Rename(at, at+".broken"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func corrupt(op string, err error) error {
	return &shardlog.Error{Kind: shardlog.Corrupt, Op: op, Err: err}
}
