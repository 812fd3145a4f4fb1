package shardlog

import (
	"context"
	"iter"
)

// Space is a namespace of small replicated state.
type Space string

// The spaces that more than one room knows. Others belong to one room, which
// names them.
const (
	// Cursors holds how far each consumer got, and pins what it has not read:
	// key CursorKey, value EncodeCursor.
	Cursors Space = "cursor"
)

// Version is the moment of a value's last change: the index of the command
// that made it. It grows; zero is "no value".
type Version uint64

// Expect is what a mutation wants to find. The zero value wants nothing.
type Expect struct {
	checked bool
	version Version
}

// Absent expects that the key has no value.
func Absent() Expect { return Expect{checked: true} }

// At expects the value of exactly that version.
func At(v Version) Expect { return Expect{checked: true, version: v} }

// Met reports whether a key at version v (zero: no value) meets the expectation.
func (e Expect) Met(v Version) bool { return !e.checked || e.version == v }

// Wanted is the version expected, and whether any is.
func (e Expect) Wanted() (v Version, checked bool) { return e.version, e.checked }

// Mutation sets a key, or with a nil Value deletes it, if the expectation
// holds. A key is at most MaxStateKey bytes, a value at most MaxStateValue.
type Mutation struct {
	Space  Space
	Key    string
	Value  []byte
	Expect Expect
}

// CheckMutations answers Invalid when one of them can never be made.
func CheckMutations(all []Mutation) error {
	for _, m := range all {
		switch {
		case m.Space == "" || len(m.Space) > maxSpace:
			return Errorf(Invalid, "mutate", "space %q", m.Space)
		case len(m.Key) > MaxStateKey:
			return Errorf(Invalid, "mutate", "key of %d bytes, %d are allowed", len(m.Key), MaxStateKey)
		case len(m.Value) > MaxStateValue:
			return Errorf(Invalid, "mutate", "value of %d bytes, %d are allowed", len(m.Value), MaxStateValue)
		}
	}
	return nil
}

const maxSpace = 64 // bytes of a space's name

// States is the small replicated state. Reads see everything that a Mutate or
// Put which returned here has changed.
//
// Kinds: Invalid, NotFound (Get), Conflict (Mutate), Unavailable, Unknown, Full.
type States interface {
	Get(ctx context.Context, space Space, key string) ([]byte, Version, error)
	// List yields keys with the prefix in order, each with its value. It reads a snapshot.
	List(ctx context.Context, space Space, prefix string) iter.Seq2[string, []byte]
	// Mutate makes all the changes or none.
	Mutate(ctx context.Context, m ...Mutation) error
}
