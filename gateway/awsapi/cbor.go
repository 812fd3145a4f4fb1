package awsapi

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// CBOR takes a body of CBOR 1.1 apart, item by item, from its front (RFC 8949):
//
//	+---------------------+----------------------+--------------------------+
//	| kind 3 bits, 5 bits | 0, 1, 2, 4 or 8 more | as many bytes, items or  |
//	| of the argument     | of the argument      | pairs as the argument    |
//	+---------------------+----------------------+--------------------------+
//
// Its methods answer false when what they want is not there; then nothing that
// was read counts. What it answers lies in the body itself: no length that a
// client claims makes it allocate anything.
type CBOR struct {
	rest    []byte
	values  int  // how many items have begun
	seconds bool // times are in seconds, as in JSON
}

// kind is the first three bits of an item.
type kind uint8

const (
	kindUint kind = iota
	kindNegative
	kindBytes
	kindText
	kindList
	kindMap
	kindTag
	kindOther // truth values, null, floats, and the end of what has no length
)

// What the first byte of an item may be besides.
const (
	cborFalse = 0xf4
	cborTrue  = 0xf5
	cborEnd   = 0xff

	moreBytes1 = 24 // the argument is in so many bytes that follow
	moreBytes8 = 27
	noLength   = 31 // pieces or items up to an end
)

// NewCBOR begins to read a body.
func NewCBOR(body []byte) CBOR { return CBOR{rest: body} }

// CBOR is the call's body as CBOR; false when it is JSON.
func (c *Call) CBOR() (CBOR, bool) { return NewCBOR(c.Body), c.format == formatCBOR }

// Done reports whether nothing is left.
func (r *CBOR) Done() bool { return len(r.rest) == 0 }

// head reads the head of an item: its kind, the five bits behind it, and its argument.
func (r *CBOR) head() (k kind, five byte, argument uint64, ok bool) {
	if len(r.rest) == 0 || r.values == maxValues {
		return 0, 0, 0, false
	}
	r.values++
	k, five = kind(r.rest[0]>>5), r.rest[0]&31
	r.rest = r.rest[1:]
	if five < moreBytes1 || five == noLength {
		return k, five, uint64(five), true
	}
	n := 1 << (five - moreBytes1)
	if five > moreBytes8 || len(r.rest) < n {
		return 0, 0, 0, false
	}
	switch n {
	case 1:
		argument = uint64(r.rest[0])
	case 2:
		argument = uint64(binary.BigEndian.Uint16(r.rest))
	case 4:
		argument = uint64(binary.BigEndian.Uint32(r.rest))
	default:
		argument = binary.BigEndian.Uint64(r.rest)
	}
	r.rest = r.rest[n:]
	return k, five, argument, true
}

// Items is how many items of a list, or pairs of a map, are still to come.
type Items struct {
	left uint64
	open bool // up to an end
}

// Map begins a map.
func (r *CBOR) Map() (Items, bool) { return r.items(kindMap) }

// List begins a list.
func (r *CBOR) List() (Items, bool) { return r.items(kindList) }

func (r *CBOR) items(want kind) (Items, bool) {
	k, five, n, ok := r.head()
	return Items{left: n, open: five == noLength}, ok && k == want
}

// Next reports whether another item, or pair, comes.
func (r *CBOR) Next(of *Items) bool {
	if of.open {
		if len(r.rest) > 0 && r.rest[0] == cborEnd {
			r.rest = r.rest[1:]
			return false
		}
		return true // or the body ends here: whoever reads the item will see
	}
	of.left--
	return of.left != math.MaxUint64
}

// Text reads a string in one piece.
func (r *CBOR) Text() ([]byte, bool) {
	text, ok := r.piece(kindText)
	return text, ok && utf8.Valid(text)
}

// Bytes reads a string of bytes in one piece.
func (r *CBOR) Bytes() ([]byte, bool) { return r.piece(kindBytes) }

func (r *CBOR) piece(want kind) ([]byte, bool) {
	k, five, n, ok := r.head()
	if !ok || k != want || five == noLength {
		return nil, false
	}
	return r.take(n)
}

func (r *CBOR) take(n uint64) ([]byte, bool) {
	if n > uint64(len(r.rest)) {
		return nil, false
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, true
}

// whole reads what is left of a string whose head is read, in one piece or in
// several; several are put together anew.
func (r *CBOR) whole(k kind, five byte, n uint64) ([]byte, bool) {
	if five != noLength {
		b, ok := r.take(n)
		return b, ok && (k == kindBytes || utf8.Valid(b))
	}
	var pieces [][]byte
	for pending := (Items{open: true}); r.Next(&pending); {
		b, ok := r.piece(k)
		if !ok || k == kindText && !utf8.Valid(b) {
			return nil, false
		}
		pieces = append(pieces, b)
	}
	return bytes.Join(pieces, nil), true
}

// float is a floating-point number of so many bytes; false when it is none, or
// is no number.
func float(five byte, bits uint64) (float64, bool) {
	f := 0.0
	switch five {
	case moreBytes8 - 2:
		f = half(uint16(bits))
	case moreBytes8 - 1:
		f = float64(math.Float32frombits(uint32(bits)))
	case moreBytes8:
		f = math.Float64frombits(bits)
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// half is the number that 16 bits are (IEEE 754 binary16).
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	f := math.Ldexp(fraction, -24)
	switch exponent {
	case 0:
	case 31:
		f = math.Inf(1)
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits>>15 == 1 {
		return -f
	}
	return f
}
