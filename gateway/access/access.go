// Package access knows who may use the gateway: the access keys of the AWS
// APIs with their policies, kept in one file that only its owner may read, and
// the papers of a site, by which its gateways know each other and let newcomers
// in: a certificate authority of the site's own, certificates that renew
// themselves, and one-time join codes. It does not know how a request is
// signed, what operations there are, nor how papers and keys travel.
package access

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

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

// Keys are the access keys that the gateway accepts: what its file held when
// it was read last. They are safe for concurrent use.
type Keys struct {
	path  string
	seals Seals
	now   func() time.Time

	mu      sync.RWMutex // guards the rest
	all     map[string]holder
	skipped int
	owed    bool
}

// holder is a key as requests are judged by it. It does not change.
type holder struct {
	key    Key
	secret string
	policy *Policy // nil: it may do everything
	ends   time.Time
}

// OpenKeys reads the key file at path; now is the time by which keys end. When
// there is no file, or none of its lines is a key, it makes the file with one
// generated pair, which it answers as first: the only time that its secret
// leaves this package other than to check a signature. A file that was useless
// is kept beside the new one under the name path + ".broken".
//
// A file that others may read is made the owner's alone; secrets that lie open
// in it are sealed.
func OpenKeys(path string, seals Seals, now func() time.Time) (keys *Keys, first *KeyPair, err error) {
	keys, skipped := &Keys{path: path, seals: seals, now: now}, 0
	err = change(path, func(text []byte) ([]byte, error) {
		d := parseDocument(text)
		skipped = d.skipped
		if d.count() == 0 {
			if text != nil { // there is a file
				if err := os.Rename(path, path+".broken"); err != nil {
					return nil, fmt.Errorf("set useless keys aside: %w", err)
				}
			}
			d = parseDocument([]byte(fileHead))
			pair := generate()
			first = &pair
			d.set(pair.ID, record{Secret: pair.Secret, Created: now().UTC().Truncate(time.Second), Owed: true})
		}
		d.seal(seals)
		return d.text(), nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open keys: %w", err)
	}
	err = keys.Reload()
	keys.skipped = skipped
	return keys, first, err
}

// Reload reads the key file again, for what was changed in it. When it cannot
// be read or holds no key, what was accepted stays accepted.
func (k *Keys) Reload() error {
	text, err := readKeys(k.path)
	if err != nil {
		return fmt.Errorf("reload keys: %w", err)
	}
	d := parseDocument(text)
	if d.count() == 0 {
		return shardlog.Errorf(shardlog.Corrupt, "reload keys", "%s holds no key", k.path)
	}
	now, next := k.now(), make(map[string]holder, d.count())
	for l := range d.keys {
		h := holder{key: l.shown(now), policy: l.policy, ends: l.key.Ends, secret: l.key.Secret}
		if h.secret == "" {
			var ok bool
			if h.secret, _, ok = k.seals.open(l.id, l.key.Sealed); !ok {
				h.key.State = Sealed
			}
		}
		next[l.id] = h
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all, k.skipped, k.owed = next, d.skipped, slices.ContainsFunc(d.lines, func(l line) bool { return l.key.Owed })
	return nil
}

func (k *Keys) find(id string) (holder, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	h, ok := k.all[id]
	if !ok || h.key.State == Disabled || h.key.State == Sealed || !h.ends.IsZero() && !k.now().Before(h.ends) {
		return holder{}, false
	}
	return h, true
}

// Secret is the secret of the access key with that id; false when there is no
// such key, or it is not accepted now. An id is no secret: AWS itself tells an
// unknown id from a wrong signature. Compare what is made of the secret in
// constant time.
func (k *Keys) Secret(id string) (string, bool) {
	h, ok := k.find(id)
	return h.secret, ok
}

// Policy is the name and the policy of the key with that id, nil when the key
// may do everything; false when it is not accepted now.
func (k *Keys) Policy(id string) (name string, policy *Policy, ok bool) {
	h, ok := k.find(id)
	return h.key.Name, h.policy, ok
}

// List is every key, by name and then by age.
func (k *Keys) List() []Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	now, all := k.now(), make([]Key, 0, len(k.all))
	for _, h := range k.all {
		if h.key.State == Active && !h.ends.IsZero() && !now.Before(h.ends) {
			h.key.State = Ended
		}
		all = append(all, h.key)
	}
	sortKeys(all)
	return all
}

func sortKeys(all []Key) {
	slices.SortFunc(all, func(a, b Key) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		if n := a.Created.Compare(b.Created); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// shown is the key as its owner sees it.
func (l *line) shown(now time.Time) Key {
	key := Key{ID: l.id, Name: l.key.name(l.id), State: Active, Policy: l.key.Policy, Created: l.key.Created, Ends: l.key.Ends, Unagreed: l.key.Owed}
	switch {
	case l.key.Disabled:
		key.State = Disabled
	case l.key.ended(now):
		key.State = Ended
	}
	return key
}

// Owed reports whether the file holds changes that the site does not know.
func (k *Keys) Owed() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.owed
}

// Skipped is the number of lines of the key file that are no key.
func (k *Keys) Skipped() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.skipped
}

// List is the keys in the file at path, for when no gateway runs; none when
// there is no file.
func List(path string, now time.Time) ([]Key, error) {
	text, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	all := []Key{}
	for l := range parseDocument(text).keys {
		all = append(all, l.shown(now))
	}
	sortKeys(all)
	return all, nil
}

// generate makes a pair of AWS's form: 20 capital letters and digits, 40
// characters of secret (240 random bits).
func generate() KeyPair {
	id := generatedHead + rand.Text()[:generatedTail]
	var secret [30]byte
	rand.Read(secret[:]) // never fails
	return KeyPair{ID: id, Secret: base64.StdEncoding.EncodeToString(secret[:])}
}

// What the ids of generated keys are like.
const (
	generatedHead = "AKIA"
	generatedTail = 16 // characters after it
)

// isGenerated reports whether an id has the form of those that are made here.
func isGenerated(id string) bool {
	return len(id) == len(generatedHead)+generatedTail && strings.HasPrefix(id, generatedHead)
}
