package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"headgate/shardlog"
)

// List is the ids of the pairs in the key file at path, sorted; none when
// there is no file.
func List(path string) ([]string, error) {
	text, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return slices.Sorted(maps.Keys(parseKeys(text).secrets)), nil
}

// Create adds a generated pair to the key file at path, and makes the file if
// there is none; its folder must be there. The pair's secret is answered here
// and nowhere else.
func Create(path string) (pair KeyPair, err error) {
	pair = generate()
	err = change(path, func(text []byte) ([]byte, error) {
		if len(text) == 0 {
			text = []byte(fileHead)
		}
		return appendPair(text, pair), nil
	})
	if err != nil {
		return KeyPair{}, fmt.Errorf("create key: %w", err)
	}
	return pair, nil
}

// Revoke takes the pair with that id out of the key file at path. Kinds:
// NotFound; InUse for the last pair, because a gateway without any would make
// one that nobody asked for.
func Revoke(path, id string) error {
	err := change(path, func(text []byte) ([]byte, error) {
		pairs := parseKeys(text).secrets
		if _, ok := pairs[id]; !ok {
			return nil, shardlog.Errorf(shardlog.NotFound, "revoke key", "%s is no key here", id)
		}
		if len(pairs) == 1 {
			return nil, shardlog.Errorf(shardlog.InUse, "revoke key", "%s is the only key: create another first", id)
		}
		var rest []byte
		for line := range bytes.Lines(text) {
			if f := bytes.Fields(line); len(f) == 0 || string(f[0]) != id {
				rest = append(rest, line...)
			}
		}
		return rest, nil
	})
	var known *shardlog.Error
	if err != nil && !errors.As(err, &known) {
		err = fmt.Errorf("revoke key: %w", err)
	}
	return err
}

// Text is the key file at path as it is, secrets included, for the other
// gateways of a site.
func Text(path string) ([]byte, error) {
	text, err := readKeys(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return text, nil
}

// Replace makes the key file at path the one of another gateway. Kind Invalid
// when that holds no pair: it would shut everybody out.
func Replace(path string, text []byte) error {
	if len(parseKeys(text).secrets) == 0 {
		return shardlog.Errorf(shardlog.Invalid, "replace keys", "there is no key pair in it")
	}
	if err := change(path, func([]byte) ([]byte, error) { return text, nil }); err != nil {
		return fmt.Errorf("replace keys: %w", err)
	}
	return nil
}

// change rewrites the file while no other process does; what it does not
// understand stays as it is.
func change(path string, edit func(text []byte) ([]byte, error)) error {
	unlock, err := lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text, err = edit(text); err != nil {
		return err
	}
	if len(text) > maxKeyFile {
		return shardlog.Errorf(shardlog.LimitExceeded, "change keys", "%s would have %d bytes, %d are allowed", path, len(text), maxKeyFile)
	}
	return writeFile(path, text)
}
