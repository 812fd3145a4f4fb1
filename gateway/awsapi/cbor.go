package awsapi

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// CBOR (RFC 8949) as the Java SDKs write it: maps with text keys, whose
// lengths may be open; byte strings where JSON has base64; moments as tag 1
// around milliseconds since 1970. It is read into the same tree of Go values
// as JSON, where blobs are []byte and moments are millis.

// millis is a moment in a CBOR body.
type millis int64

const maxDepth = 32 // of nesting; no request has more than five levels

// The major types.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborOther
)

const (
	cborTagTime = 1
	cborBreak   = 0xff
)

// decodeCBOR reads a CBOR body that is one map; false when it is none.
func decodeCBOR(body []byte) (map[string]any, bool) {
	if len(body) == 0 || body[0]>>5 != cborMap {
		return nil, false
	}
	r := cborReader{left: body, build: true}
	value, ok := r.value(0)
	data, isMap := value.(map[string]any)
	return data, ok && isMap && len(r.left) == 0
}

// isCBORMap reports whether the body is one CBOR map, without making one.
func isCBORMap(body []byte) bool {
	if len(body) == 0 || body[0]>>5 != cborMap {
		return false
	}
	r := cborReader{left: body}
	_, ok := r.value(0)
	return ok && len(r.left) == 0
}

// cborReader takes values off a body. Nothing it makes is larger than the
// body by more than a factor, whatever lengths the body claims.
type cborReader struct {
	left   []byte
	values int
	build  bool // make the values, not only look
}

// head takes a value's first bytes: its type, and its argument. open: it ends
// with a break.
func (r *cborReader) head() (major byte, n uint64, open, ok bool) {
	if len(r.left) == 0 {
		return 0, 0, false, false
	}
	major, info := r.left[0]>>5, r.left[0]&31
	r.left = r.left[1:]
	size := 0
	switch {
	case info < 24:
		return major, uint64(info), false, true
	case info < 28:
		size = 1 << (info - 24)
	case info == 31:
		return major, 0, true, major >= cborBytes && major <= cborMap
	}
	if size == 0 || len(r.left) < size {
		return 0, 0, false, false
	}
	var wide [8]byte
	copy(wide[8-size:], r.left)
	r.left = r.left[size:]
	return major, binary.BigEndian.Uint64(wide[:]), false, true
}

// value takes one value.
func (r *cborReader) value(depth int) (any, bool) {
	if r.values++; r.values > maxValues || depth > maxDepth || len(r.left) == 0 {
		return nil, false
	}
	if r.left[0]>>5 == cborOther {
		return r.other()
	}
	major, n, open, ok := r.head()
	if !ok {
		return nil, false
	}
	switch major {
	case cborUint:
		return float64(n), true
	case cborNegative:
		return -1 - float64(n), true
	case cborBytes:
		return r.bytes(n, open)
	case cborText:
		return r.text(n, open)
	case cborList:
		return r.list(depth, n, open)
	case cborMap:
		return r.object(depth, n, open)
	}
	return r.tagged(depth, n)
}

// string takes a string's bytes; those in chunks are joined.
func (r *cborReader) string(major byte, n uint64, open bool) ([]byte, bool) {
	if !open {
		if n > uint64(len(r.left)) {
			return nil, false
		}
		b := r.left[:n:n]
		r.left = r.left[n:]
		return b, true
	}
	joined := []byte{}
	for {
		if r.ended() {
			return joined, true
		}
		if r.values++; r.values > maxValues {
			return nil, false
		}
		chunk, n, open, ok := r.head()
		if !ok || open || chunk != major || n > uint64(len(r.left)) {
			return nil, false
		}
		joined = append(joined, r.left[:n]...)
		r.left = r.left[n:]
	}
}

func (r *cborReader) bytes(n uint64, open bool) (any, bool) {
	b, ok := r.string(cborBytes, n, open)
	return b, ok
}

func (r *cborReader) text(n uint64, open bool) (any, bool) {
	b, ok := r.string(cborText, n, open)
	if !ok || !utf8.Valid(b) {
		return nil, false
	}
	if !r.build {
		return nil, true
	}
	return string(b), true
}

// ended takes a break, if there is one.
func (r *cborReader) ended() bool {
	if len(r.left) > 0 && r.left[0] == cborBreak {
		r.left = r.left[1:]
		return true
	}
	return false
}

// each takes the n elements of a collection, or all up to a break.
func (r *cborReader) each(n uint64, open bool, element func() bool) bool {
	for i := uint64(0); open || i < n; i++ {
		if open && r.ended() {
			break
		}
		if !element() {
			return false
		}
	}
	return true
}

func (r *cborReader) list(depth int, n uint64, open bool) (any, bool) {
	all := []any{}
	ok := r.each(n, open, func() bool {
		value, ok := r.value(depth + 1)
		if r.build {
			all = append(all, value)
		}
		return ok
	})
	return all, ok
}

func (r *cborReader) object(depth int, n uint64, open bool) (any, bool) {
	all := map[string]any{}
	ok := r.each(n, open, func() bool {
		major, length, open, ok := r.head()
		if !ok || major != cborText {
			return false
		}
		name, ok := r.string(cborText, length, open)
		if !ok || !utf8.Valid(name) {
			return false
		}
		value, ok := r.value(depth + 1)
		if r.build {
			all[string(name)] = value
		}
		return ok
	})
	return all, ok
}

// tagged takes a tag's value: a moment, or the value as it is.
func (r *cborReader) tagged(depth int, tag uint64) (any, bool) {
	value, ok := r.value(depth + 1)
	if n, number := value.(float64); number && tag == cborTagTime {
		return millis(toInt64(n)), ok
	}
	return value, ok
}

// other takes a simple value or a float.
func (r *cborReader) other() (any, bool) {
	info := r.left[0] & 31
	if info == 31 { // a break where none belongs
		return nil, false
	}
	_, n, _, ok := r.head()
	switch info {
	case 20:
		return false, ok
	case 21:
		return true, ok
	case 22, 23: // null, undefined
		return nil, ok
	case 25:
		return half(uint16(n)), ok
	case 26:
		return float64(math.Float32frombits(uint32(n))), ok
	case 27:
		return math.Float64frombits(n), ok
	}
	return nil, false
}

// half is a number of 16 bits (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exponent, mantissa := int(bits>>10&31), float64(bits&1023)
	value := math.Ldexp(mantissa+1024, exponent-25)
	switch {
	case exponent == 0:
		value = math.Ldexp(mantissa, -24)
	case exponent == 31 && mantissa == 0:
		value = math.Inf(1)
	case exponent == 31:
		value = math.NaN()
	}
	if bits&0x8000 != 0 {
		return -value
	}
	return value
}

// appendCBORHead writes a value's first bytes.
func appendCBORHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

// appendCBORInt writes a whole number.
func appendCBORInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendCBORHead(b, cborNegative, uint64(-1-n))
	}
	return appendCBORHead(b, cborUint, uint64(n))
}
