package jobs

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

const (
	cborDepth  = 8    // of items in items
	cborNoEnd  = 31   // in a head: items up to cborEnd
	cborEnd    = 0xff // ends what has no length
	cborValues = 1000 // items of one payload
)

// cborReader takes one payload apart. What it answers lies in the payload.
type cborReader struct {
	rest []byte
	left int // items
}

// other is an item that no request needs: a list, a truth value.
type other struct{}

// readCBORMap reads a payload that is one map with keys of text. Its values are
// int64, string, []byte or other. The payload must not be changed afterwards.
func readCBORMap(b []byte) (map[string]any, bool) {
	r := &cborReader{rest: b, left: cborValues}
	kind, n, ok := r.head()
	if !ok || kind != cborMap {
		return nil, false
	}
	all := map[string]any{}
	for i := uint64(0); !r.ends(&n, i, &ok); i++ {
		key, keyOK := r.item(cborDepth)
		value, valueOK := r.item(cborDepth)
		name, isText := key.(string)
		if !keyOK || !valueOK || !isText {
			return nil, false
		}
		all[name] = value
	}
	return all, ok && len(r.rest) == 0
}

// endless is the number of what has no length.
const endless = math.MaxUint64

// ends reports whether n items were read, or the end comes.
func (r *cborReader) ends(n *uint64, done uint64, ok *bool) bool {
	if *n != endless {
		return done >= *n
	}
	if len(r.rest) == 0 {
		*ok = false
		return true
	}
	if r.rest[0] == cborEnd {
		r.rest = r.rest[1:]
		return true
	}
	return false
}

// head reads an item's head: its kind and its number.
func (r *cborReader) head() (kind byte, n uint64, ok bool) {
	if len(r.rest) == 0 || r.left == 0 {
		return 0, 0, false
	}
	r.left--
	kind, n = r.rest[0]>>5, uint64(r.rest[0]&31)
	r.rest = r.rest[1:]
	if n < 24 {
		return kind, n, true
	}
	if n == cborNoEnd {
		return kind, endless, kind >= cborBytes && kind <= cborMap
	}
	size := 1 << (n - 24)
	if size > 8 || len(r.rest) < size {
		return 0, 0, false
	}
	var wide [8]byte
	copy(wide[8-size:], r.rest)
	r.rest = r.rest[size:]
	return kind, binary.BigEndian.Uint64(wide[:]), true
}

// item reads one item, with what is in it.
func (r *cborReader) item(depth int) (any, bool) {
	kind, n, ok := r.head()
	if !ok || depth == 0 {
		return nil, false
	}
	switch kind {
	case cborUint, cborNegative:
		if n > math.MaxInt64 {
			return other{}, true
		}
		if kind == cborNegative {
			return -1 - int64(n), true
		}
		return int64(n), true
	case cborBytes, cborText:
		if n > uint64(len(r.rest)) { // without a length, too: nobody sends such
			return nil, false
		}
		b := r.rest[:n:n]
		r.rest = r.rest[n:]
		if kind == cborBytes {
			return b, true
		}
		return string(b), utf8.Valid(b)
	case cborTag:
		return r.item(depth - 1)
	case cborOther:
		return other{}, true
	}
	ok = true
	for i := uint64(0); ok && !r.ends(&n, i, &ok); i++ {
		_, ok = r.item(depth - 1)
		if ok && kind == cborMap {
			_, ok = r.item(depth - 1)
		}
	}
	return other{}, ok
}
