// Package access knows who may use the gateway: the key pairs of the AWS APIs,
// kept in one file that only its owner may read, and the papers of a site, by
// which its gateways know each other and let newcomers in: a certificate
// authority of the site's own, certificates that renew themselves, and one-time
// join codes. It does not know how a request is signed, what a key may do, nor
// how papers travel.
package access

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"headgate/shardlog"
)

// KeyPair is an access key as AWS clients want it. Its Secret is shown once,
// when it is made; a KeyPair prints without it.
type KeyPair struct {
	ID     string
	Secret string
}

// String is the pair without its secret.
func (p KeyPair) String() string { return p.ID + ":***" }

// GoString is the pair without its secret.
func (p KeyPair) GoString() string { return "access.KeyPair{" + p.String() + "}" }

// Keys are the key pairs that the gateway accepts. They are safe for
// concurrent use; they change only when Reload reads the file again.
type Keys struct {
	path string

	mu    sync.RWMutex // guards pairs
	pairs pairs
}

// OpenKeys reads the key file at path. When there is none, or none of its
// lines is a key pair, it makes the file with one generated pair, which it
// answers as first: the only time that its secret leaves this package other
// than to check a signature. A file that was useless is kept beside the new
// one under the name path + ".broken".
//
// A file that others may read is made the owner's alone.
func OpenKeys(path string) (keys *Keys, first *KeyPair, err error) {
	unlock, err := lock(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open keys: %w", err)
	}
	defer unlock()
	text, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("open keys: %w", err)
	}
	there := err == nil
	keys = &Keys{path: path, pairs: parseKeys(text)}
	if len(keys.pairs.secrets) > 0 {
		return keys, nil, nil
	}
	if there {
		if err := os.Rename(path, path+".broken"); err != nil {
			return nil, nil, fmt.Errorf("set useless keys aside: %w", err)
		}
	}
	pair := generate()
	if err := writeFile(path, appendPair([]byte(fileHead), pair)); err != nil {
		return nil, nil, fmt.Errorf("write first key: %w", err)
	}
	keys.pairs.secrets[pair.ID] = pair.Secret
	return keys, &pair, nil
}

// Reload reads the key file again, for pairs that were added or revoked. When
// it cannot be read or holds no pair, what was accepted stays accepted.
func (k *Keys) Reload() error {
	text, err := readKeys(k.path)
	if err != nil {
		return fmt.Errorf("reload keys: %w", err)
	}
	next := parseKeys(text)
	if len(next.secrets) == 0 {
		return shardlog.Errorf(shardlog.Corrupt, "reload keys", "%s holds no key pair", k.path)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pairs = next
	return nil
}

// Secret is the secret of the access key with that id; false when there is
// none. An id is no secret: AWS itself tells an unknown id from a wrong
// signature. Compare what is made of the secret in constant time.
func (k *Keys) Secret(id string) (string, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	secret, ok := k.pairs.secrets[id]
	return secret, ok
}

// Len is the number of key pairs.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.pairs.secrets)
}

// Skipped is the number of lines of the key file that are no key pair.
func (k *Keys) Skipped() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.pairs.skipped
}

// generate makes a pair of AWS's form: 20 capital letters and digits, 40
// characters of secret (240 random bits).
func generate() KeyPair {
	id := "AKIA" + rand.Text()[:16]
	var secret [30]byte
	rand.Read(secret[:]) // never fails
	return KeyPair{ID: id, Secret: base64.StdEncoding.EncodeToString(secret[:])}
}
