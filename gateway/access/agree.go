package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headgate/shardlog"
)

// Row is one key as the gateways of a site share it.
type Row struct {
	ID   string
	Text []byte // nil: the key is deleted
}

// Owed are the changes in the key file at path that the site does not know yet.
// A site that knows no key begins with all that the file has.
func Owed(path string, site map[string][]byte) ([]Row, error) {
	text, err := readKeys(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var all []Row
	for _, l := range parseDocument(text).lines {
		if l.id != "" && (l.owed(site) || len(site) == 0) {
			all = append(all, l.row())
		}
	}
	return all, nil
}

// Agree makes the key file at path say what the site has agreed on, its rows by
// id. What is owed stays, unless it is among those that were paid. Kind Invalid
// when no key would be left: that would shut everybody out.
func Agree(path string, site map[string][]byte, paid []Row) error {
	return change(path, func(text []byte) ([]byte, error) {
		d, settled := parseDocument(text), map[string]bool{}
		for _, row := range paid {
			if l := d.find(row.ID); l != nil {
				settled[row.ID] = bytes.Equal(l.row().Text, row.Text) // else it was changed again meanwhile
			}
		}
		for _, l := range append([]line(nil), d.lines...) {
			if l.id != "" && (!l.owed(site) || settled[l.id]) && site[l.id] == nil {
				d.remove(l.id)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(site)) {
			if l := d.find(id); l != nil && l.owed(site) && !settled[id] {
				continue
			}
			if key, _, ok := parseRecord(site[id]); ok && isKeyID(id) {
				d.set(id, key)
			}
		}
		if d.count() == 0 {
			return nil, shardlog.Errorf(shardlog.Invalid, "agree on keys", "the site has no key")
		}
		return d.text(), nil
	})
}

// owed reports whether the site has to be told of a line.
func (l *line) owed(site map[string][]byte) bool {
	return l.key.Owed && !(l.key.Plain && site[l.id] != nil)
}

// row is a line as the site shares it.
func (l *line) row() Row {
	if l.key.Gone {
		return Row{ID: l.id}
	}
	key := l.key
	key.Owed, key.Plain = false, false
	text, err := json.Marshal(key)
	if err != nil {
		panic(err) // the policy was JSON when it was read
	}
	return Row{l.id, text}
}

// Text is the key file at path as it is, for a gateway that joins.
func Text(path string) ([]byte, error) {
	text, err := readKeys(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return text, nil
}

// Replace makes the key file at path the one of another gateway. Kind Invalid
// when that holds no key: it would shut everybody out.
func Replace(path string, text []byte) error {
	if parseDocument(text).count() == 0 {
		return shardlog.Errorf(shardlog.Invalid, "replace keys", "there is no key in it")
	}
	if err := change(path, func([]byte) ([]byte, error) { return text, nil }); err != nil {
		return fmt.Errorf("replace keys: %w", err)
	}
	return nil
}
