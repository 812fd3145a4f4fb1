package awsapi

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Reply is an answer under construction. Its methods append one member each;
// a name of "" makes an element of a list. Commas are its business, and so is
// the protocol: JSON 1.1, or CBOR 1.1 where the request came in it.
type Reply struct {
	buf   []byte
	comma bool // something stands before the next member
	cbor  bool

	seconds bool // of CBOR: times are in seconds
	quote   int  // where the text begins that Quote began, in CBOR
}

// Len is the number of bytes so far.
func (r *Reply) Len() int { return len(r.buf) }

// Grow makes room for n bytes more in one go.
func (r *Reply) Grow(n int) {
	if cap(r.buf)-len(r.buf) < n {
		next := make([]byte, len(r.buf), len(r.buf)+n)
		copy(next, r.buf)
		r.buf = next
	}
}

// Open begins an object.
func (r *Reply) Open(name string) { r.begin(name, '{', cborMap) }

// Close ends an object.
func (r *Reply) Close() { r.end('}') }

// List begins a list.
func (r *Reply) List(name string) { r.begin(name, '[', cborList) }

// EndList ends a list.
func (r *Reply) EndList() { r.end(']') }

// Text appends a string. Bytes in it that are no UTF-8 become U+FFFD.
func (r *Reply) Text(name, value string) {
	r.name(name)
	if r.cbor {
		r.buf = appendText(r.buf, value)
		return
	}
	r.buf = appendQuoted(r.buf, value)
}

// Quote begins a string that the caller appends to the bytes answered, and
// then hands to EndQuote. It must need no escaping: letters, digits and what
// stands between them in names and numbers.
func (r *Reply) Quote(name string) []byte {
	r.name(name)
	if r.cbor {
		r.quote = len(r.buf) + 2
		return append(r.buf, byte(kindText)<<5|moreBytes1, 0)
	}
	return append(r.buf, '"')
}

// EndQuote ends the string that Quote began.
func (r *Reply) EndQuote(b []byte) {
	if r.cbor {
		if n := len(b) - r.quote; n <= math.MaxUint8 {
			b[r.quote-1] = byte(n)
			r.buf = b
			return
		}
		r.buf = appendText(r.buf, string(b[r.quote:]))
		return
	}
	r.buf = append(b, '"')
}

// Blob appends bytes.
func (r *Reply) Blob(name string, value []byte) {
	r.name(name)
	if r.cbor {
		r.buf = append(appendHead(r.buf, kindBytes, uint64(len(value))), value...)
		return
	}
	r.buf = append(base64.StdEncoding.AppendEncode(append(r.buf, '"'), value), '"')
}

// Int appends a whole number.
func (r *Reply) Int(name string, value int64) {
	r.name(name)
	if r.cbor {
		r.buf = appendInt(r.buf, value)
		return
	}
	r.buf = strconv.AppendInt(r.buf, value, 10)
}

// Bool appends a truth value.
func (r *Reply) Bool(name string, value bool) {
	r.name(name)
	switch {
	case r.cbor && value:
		r.buf = append(r.buf, cborTrue)
	case r.cbor:
		r.buf = append(r.buf, cborFalse)
	default:
		r.buf = strconv.AppendBool(r.buf, value)
	}
}

// Time appends a moment: seconds since 1970, with milliseconds when there are
// any, and in CBOR 1.1 whole milliseconds.
func (r *Reply) Time(name string, value time.Time) {
	r.name(name)
	ms := value.UnixMilli()
	switch {
	case r.seconds:
		r.buf = binary.BigEndian.AppendUint64(append(r.buf, cborTime, cborDouble), math.Float64bits(float64(ms)/1000))
		return
	case r.cbor:
		r.buf = appendInt(append(r.buf, cborTime), ms)
		return
	}
	if ms < 0 { // far before any record; keep the sign in one place
		r.buf = append(r.buf, '-')
		ms = -ms
	}
	r.buf = strconv.AppendInt(r.buf, ms/1000, 10)
	if ms %= 1000; ms != 0 {
		r.buf = append(r.buf, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
}

func (r *Reply) name(name string) {
	if r.cbor {
		if name != "" {
			r.buf = append(appendHead(r.buf, kindText, uint64(len(name))), name...)
		}
		return
	}
	if r.comma {
		r.buf = append(r.buf, ',')
	}
	r.comma = true
	if name != "" {
		r.buf = append(r.buf, '"')
		r.buf = append(r.buf, name...)
		r.buf = append(r.buf, '"', ':')
	}
}

func (r *Reply) begin(name string, bracket, head byte) {
	r.name(name)
	if r.cbor {
		r.buf = append(r.buf, head)
		return
	}
	r.buf = append(r.buf, bracket)
	r.comma = false
}

func (r *Reply) end(bracket byte) {
	if r.cbor {
		r.buf = append(r.buf, cborEnd)
		return
	}
	r.buf = append(r.buf, bracket)
	r.comma = true
}

// appendQuoted appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}

// JSON appends a whole value that is JSON already. It is for services that
// speak nothing else.
func (r *Reply) JSON(text []byte) { r.member("", text) }

func (r *Reply) member(name string, text []byte) {
	r.name(name)
	r.buf = append(r.buf, text...)
}
