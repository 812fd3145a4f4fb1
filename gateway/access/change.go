package access

import (
	"bytes"
	"encoding/json"
	"time"

	"headgate/shardlog"
)

// Change is something to be done to the keys.
type Change struct {
	Do     string        `json:"do"`               // one of the words below
	Key    string        `json:"key,omitempty"`    // which: its id, or a name that one key has
	Name   string        `json:"name,omitempty"`   // Create
	Policy string        `json:"policy,omitempty"` // Create, SetPolicy; empty: the key may do everything
	For    time.Duration `json:"for,omitempty"`    // Create: how long the key is good, zero for ever; Rotate: how much longer the old one is
}

// What can be done to keys.
const (
	Create    = "create"
	Rotate    = "rotate"  // make a second key like this one, which ends later
	Enable    = "enable"  // accept it again
	Disable   = "disable" // accept it no longer, until it is enabled
	Delete    = "delete"  // for good
	SetPolicy = "policy"  // of all keys of that name
)

// Made is what a change has made of a key. Secret is there when it made a pair.
type Made struct {
	Key
	Secret string `json:"secretAccessKey,omitempty"`
}

// Apply makes a change to the key file at path, which it makes when there is
// none; its folder must be there. Kinds: Invalid; NotFound; InUse for the last
// key, which cannot be deleted, because a gateway without any would make one
// that nobody asked for, and for a name that another key has; LimitExceeded.
func Apply(path string, seals Seals, now time.Time, c Change) (made Made, err error) {
	now = now.UTC().Truncate(time.Second)
	err = change(path, func(text []byte) ([]byte, error) {
		if len(text) == 0 {
			text = []byte(fileHead)
		}
		d := parseDocument(text)
		if made, err = d.apply(now, c); err != nil {
			return nil, err
		}
		d.seal(seals)
		return d.text(), nil
	})
	return made, err
}

func (d *document) apply(now time.Time, c Change) (Made, error) {
	if c.For < 0 {
		return Made{}, keyError(shardlog.Invalid, "a span of time cannot be negative")
	}
	if c.Do == Create {
		return d.create(now, c)
	}
	l, err := d.meant(c.Key, c.Do == SetPolicy)
	if err != nil {
		return Made{}, err
	}
	id, key := l.id, l.key
	key.Owed, key.Plain = true, false
	switch c.Do {
	case Rotate:
		return d.rotate(now, c, l)
	case Enable, Disable:
		key.Disabled = c.Do == Disable
	case Delete:
		if d.count() == 1 {
			return Made{}, keyError(shardlog.InUse, "%s is the only key: create another first", id)
		}
		made := Made{Key: l.shown(now)}
		d.set(id, record{Gone: true, Owed: true})
		return made, nil
	case SetPolicy:
		return d.setPolicy(now, c, l)
	default:
		return Made{}, keyError(shardlog.Invalid, "%.40q is nothing that can be done to keys", c.Do)
	}
	d.set(id, key)
	return Made{Key: d.find(id).shown(now)}, nil
}

// meant is the key with that id, or the only one with that name; with all, one
// of several will do. An id is
// never taken for a name, though a rotated key may be called after its first
// id: who deletes a key twice does not delete the one that took its place.
func (d *document) meant(which string, all bool) (*line, error) {
	if l := d.find(which); l != nil && !l.key.Gone {
		return l, nil
	}
	var found *line
	for l := range d.keys {
		switch {
		case l.key.name(l.id) != which || isGenerated(which):
		case found != nil && all: // it is done to each of the name
		case found != nil:
			return nil, keyError(shardlog.Invalid, "several keys are called %s: say which by its id", which)
		default:
			found = l
		}
	}
	if found == nil {
		return nil, keyError(shardlog.NotFound, "%.80q is no key here", which)
	}
	return found, nil
}

func (d *document) create(now time.Time, c Change) (Made, error) {
	if c.Name != "" && (!isName(c.Name) || isGenerated(c.Name)) {
		return Made{}, keyError(shardlog.Invalid, "%.80q cannot be a name: use letters, digits and _ - . @ + = , (at most 128), in another form than a key's id", c.Name)
	}
	for l := range d.keys {
		if c.Name != "" && (l.key.name(l.id) == c.Name || l.id == c.Name) {
			return Made{}, keyError(shardlog.InUse, "key %s is called %s: rotate it, or choose another name", l.id, c.Name)
		}
	}
	policy, err := compactPolicy(c.Policy)
	if err != nil {
		return Made{}, err
	}
	key := record{Name: c.Name, Policy: policy, Created: now, Owed: true}
	if c.For > 0 {
		key.Ends = now.Add(c.For)
	}
	return d.add(now, key), nil
}

// add makes a pair for a key and adds it.
func (d *document) add(now time.Time, key record) Made {
	pair := generate()
	key.Secret = pair.Secret
	d.set(pair.ID, key)
	return Made{Key: d.find(pair.ID).shown(now), Secret: pair.Secret}
}

// rotate makes a second key of the same name and policy, and has the first end.
// Keys of the name that have ended go: who rotates for years fills no file.
func (d *document) rotate(now time.Time, c Change, l *line) (Made, error) {
	old, id, name := l.key, l.id, l.key.name(l.id)
	if old.Disabled || old.ended(now) {
		return Made{}, keyError(shardlog.Invalid, "%s is not accepted any more: create another key", id)
	}
	var over []string
	for other := range d.keys {
		switch {
		case other.id == id || other.key.name(other.id) != name:
		case other.key.ended(now):
			over = append(over, other.id)
		default:
			return Made{}, keyError(shardlog.LimitExceeded, "%s has two keys already: delete %s first, or wait until it ends", name, other.id)
		}
	}
	for _, gone := range over {
		d.set(gone, record{Gone: true, Owed: true})
	}
	next := record{Name: name, Policy: old.Policy, Created: now, Ends: old.Ends, Owed: true}
	old.Name, old.Owed, old.Plain = name, true, false
	if ends := now.Add(c.For); old.Ends.IsZero() || ends.Before(old.Ends) {
		old.Ends = ends
	}
	d.set(id, old)
	return d.add(now, next), nil
}

// setPolicy gives a policy to all keys of a name.
func (d *document) setPolicy(now time.Time, c Change, l *line) (Made, error) {
	policy, err := compactPolicy(c.Policy)
	if err != nil {
		return Made{}, err
	}
	id, name := l.id, l.key.name(l.id)
	for i := range d.lines {
		if one := &d.lines[i]; one.id != "" && !one.key.Gone && one.key.name(one.id) == name {
			key := one.key
			key.Policy, key.Owed, key.Plain = policy, true, false
			d.set(one.id, key)
		}
	}
	return Made{Key: d.find(id).shown(now)}, nil
}

// compactPolicy checks a policy and takes what is blank out of it.
func compactPolicy(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		return nil, invalidPolicy("it is no JSON: %w", err)
	}
	if _, err := ParseKeyPolicy(b.String()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// seal seals every secret that lies open, and anew what an older Seal has
// sealed, which the others of a site cannot open.
func (d *document) seal(seals Seals) {
	if len(seals) == 0 {
		return
	}
	for l := range d.keys {
		key := l.key
		if key.Secret == "" {
			secret, by, ok := seals.open(l.id, key.Sealed)
			if !ok || by == 0 {
				continue
			}
			key.Secret, key.Owed = secret, true
		}
		key.Sealed, key.Secret = seals[0].seal(l.id, key.Secret), ""
		d.set(l.id, key)
	}
}

func keyError(kind shardlog.Kind, format string, args ...any) error {
	return shardlog.Errorf(kind, "change keys", format, args...)
}
