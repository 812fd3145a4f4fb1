package decode

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"headgate/shardlog"
)

// CBOR is the value at the end of a path, as JSON's is: names are keys of
// maps, also those that are numbers, and places in lists. Tags are passed over
// (RFC 8949, 3.4), undefined is Null. It reads no further than it must;
// CheckCBOR reads all. A path that leads nowhere is Missing and no error. Kind
// Invalid: this is no CBOR.
func CBOR(b []byte, path []string) (Value, error) {
	s := cborScanner{b: b}
	for _, name := range path {
		there, ok := s.enter(name)
		if !ok {
			return Value{}, badCBOR(s.at)
		}
		if !there {
			return Value{}, nil
		}
	}
	v, ok := s.value()
	if !ok {
		return Value{}, badCBOR(s.at)
	}
	return v, nil
}

// CheckCBOR reads the whole payload. Kind Invalid: it is not one well-formed
// item of CBOR, or one of its texts is not UTF-8.
func CheckCBOR(b []byte) error {
	s := cborScanner{b: b}
	if !s.skip(0) || s.at != len(b) {
		return badCBOR(s.at)
	}
	return nil
}

func badCBOR(at int) error {
	return shardlog.Errorf(shardlog.Invalid, "read cbor", "malformed at byte %d", at)
}

// Major types of CBOR.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborSimple
)

// cborDeepest is how many items may lie in one another.
const cborDeepest = 32

// cborScanner reads forward.
type cborScanner struct {
	b  []byte
	at int
}

// head is the beginning of an item: what it is, its argument, and whether its
// end is marked by a break (RFC 8949, 3).
type head struct {
	major byte
	info  byte // the low five bits
	arg   uint64
	open  bool
}

func (s *cborScanner) head() (h head, ok bool) {
	if s.at >= len(s.b) {
		return h, false
	}
	first := s.b[s.at]
	s.at++
	h.major, h.info = first>>5, first&0x1f
	switch {
	case h.info < 24:
		h.arg = uint64(h.info)
		return h, true
	case h.info < 28:
		size := 1 << (h.info - 24)
		if len(s.b)-s.at < size {
			return h, false
		}
		var wide [8]byte
		copy(wide[8-size:], s.b[s.at:s.at+size])
		h.arg = binary.BigEndian.Uint64(wide[:])
		s.at += size
		return h, h.major != cborSimple || h.info != 24 || h.arg >= 32
	case h.info == 31:
		h.open = true
		return h, h.major >= cborBytes && h.major <= cborMap
	}
	return h, false
}

// item is the head of the next item behind its tags.
func (s *cborScanner) item() (head, bool) {
	for {
		h, ok := s.head()
		if !ok || h.major != cborTag {
			return h, ok
		}
	}
}

// more reports whether a list or map has another item after n of them, and
// passes over the break at its end.
func (s *cborScanner) more(h head, n uint64) bool {
	if !h.open {
		return n < h.arg
	}
	if s.at < len(s.b) && s.b[s.at] == 0xff {
		s.at++
		return false
	}
	return true
}

// enter moves to the value of that name in the map, or of that number in the
// list, that begins here.
func (s *cborScanner) enter(name string) (there, ok bool) {
	h, ok := s.item()
	if !ok {
		return false, false
	}
	switch h.major {
	case cborMap:
		for n := uint64(0); s.more(h, n); n++ {
			match, ok := s.key(name)
			if match || !ok {
				return match, ok
			}
			if !s.skip(1) {
				return false, false
			}
		}
	case cborList:
		want, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			return false, true
		}
		for n := uint64(0); s.more(h, n); n++ {
			if n == want {
				return true, true
			}
			if !s.skip(1) {
				return false, false
			}
		}
	}
	return false, true
}

// key reads a map's key and compares it.
func (s *cborScanner) key(name string) (match, ok bool) {
	v, ok := s.value()
	switch {
	case !ok:
		return false, false
	case v.Kind == String:
		return string(v.text) == name, true
	case v.Kind == Number:
		var room [32]byte
		return string(v.appendNumber(room[:0])) == name, true
	}
	return false, true
}

// value reads the item that begins here.
func (s *cborScanner) value() (Value, bool) {
	begin := s.at
	h, ok := s.item()
	if !ok {
		return Value{}, false
	}
	switch h.major {
	case cborUint:
		return Value{Kind: Number, form: formUint, bits: h.arg}, true
	case cborNegative:
		if h.arg > math.MaxInt64 { // below the least int64
			return Value{Kind: Number, form: formFloat, bits: math.Float64bits(-1 - float64(h.arg))}, true
		}
		return Value{Kind: Number, form: formInt, bits: ^h.arg}, true
	case cborBytes, cborText:
		text, ok := s.text(h)
		if h.major == cborBytes {
			return Value{Kind: Bytes, text: text}, ok
		}
		return Value{Kind: String, text: text}, ok
	case cborList, cborMap:
		s.at = begin
		ok := s.skip(0)
		return Value{Kind: Tree, text: s.b[begin:s.at]}, ok
	}
	return simple(h)
}

// simple is what major type 7 holds.
func simple(h head) (Value, bool) {
	switch h.info {
	case 20, 21:
		return Value{Kind: Bool, bits: uint64(h.info - 20)}, true
	case 22, 23:
		return Value{Kind: Null}, true
	case 25:
		return Value{Kind: Number, form: formFloat32, bits: uint64(math.Float32bits(half(uint16(h.arg))))}, true
	case 26:
		return Value{Kind: Number, form: formFloat32, bits: h.arg}, true
	case 27:
		return Value{Kind: Number, form: formFloat, bits: h.arg}, true
	}
	return Value{Kind: Null}, true // a simple value that nothing gave a meaning
}

// half is a float of 16 bits (RFC 8949, appendix D).
func half(b uint16) float32 {
	exponent, fraction := int(b>>10&0x1f), float64(b&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		if f = math.Inf(1); fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if b&0x8000 != 0 {
		f = -f
	}
	return float32(f)
}

// text reads the contents of a string, which is in pieces when it is open.
func (s *cborScanner) text(h head) ([]byte, bool) {
	if !h.open {
		if h.arg > uint64(len(s.b)-s.at) {
			return nil, false
		}
		text := s.b[s.at : s.at+int(h.arg)]
		s.at += int(h.arg)
		return text, h.major != cborText || utf8.Valid(text)
	}
	all := []byte{}
	for s.more(h, 0) {
		piece, ok := s.head()
		if !ok || piece.open || piece.major != h.major {
			return nil, false
		}
		text, ok := s.text(piece)
		if !ok {
			return nil, false
		}
		all = append(all, text...)
	}
	return all, true
}

// skip passes over one item, which lies in depth others.
func (s *cborScanner) skip(depth int) bool {
	h, ok := s.item()
	if !ok || depth > cborDeepest {
		return false
	}
	items := uint64(1)
	switch h.major {
	case cborBytes, cborText:
		return s.pass(h)
	case cborMap:
		items = 2
	case cborList:
	default:
		return true
	}
	for n := uint64(0); s.more(h, n); n++ {
		for range items {
			if !s.skip(depth + 1) {
				return false
			}
		}
	}
	return true
}

// pass passes over a string.
func (s *cborScanner) pass(h head) bool {
	if !h.open {
		_, ok := s.text(h)
		return ok
	}
	for s.more(h, 0) {
		piece, ok := s.head()
		if !ok || piece.open || piece.major != h.major {
			return false
		}
		if _, ok := s.text(piece); !ok {
			return false
		}
	}
	return true
}
