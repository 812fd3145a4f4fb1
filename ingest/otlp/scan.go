package otlp

import (
	"bytes"
	"encoding/json"
)

// scanner walks JSON that json.Valid has accepted, once and without a tree.
type scanner struct {
	b []byte
	i int
}

// next is the first byte of the next token, zero at the end.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
		default:
			return s.b[s.i]
		}
	}
	return 0
}

// value takes the next value, whole.
func (s *scanner) value() []byte {
	first := s.next()
	from := s.i
	switch first {
	case '"':
		s.quoted()
	case '{', '[':
		s.nested()
	default:
		s.bare()
	}
	return s.b[from:s.i]
}

// bare passes over a number, true, false or null.
func (s *scanner) bare() {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
	}
}

// quoted passes over a string.
func (s *scanner) quoted() {
	for s.i++; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return
		}
	}
}

// nested passes over an object or an array.
func (s *scanner) nested() {
	for depth := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			s.quoted()
			continue
		}
		if s.i++; depth == 0 {
			return
		}
	}
}

// members calls f for each member of the object b, with the scanner before
// its value, which f must take. It stops when f answers false. The name is
// still quoted; from is where the member begins.
func members(b []byte, f func(s *scanner, name []byte, from int) bool) {
	s := &scanner{b: b}
	if s.next() != '{' {
		return
	}
	s.i++
	for {
		switch s.next() {
		case '"':
		case ',':
			s.i++
			continue
		default:
			return
		}
		from := s.i
		name := s.value()
		s.next()
		s.i++ // the colon
		if !f(s, name, from) {
			return
		}
	}
}

// elements calls f with each element of the array that comes next, until it
// answers false, which is its own answer then.
func (s *scanner) elements(f func() bool) bool {
	s.next()
	s.i++
	for {
		switch s.next() {
		case 0:
			return true
		case ']':
			s.i++
			return true
		case ',':
			s.i++
			continue
		}
		if !f() {
			return false
		}
	}
}

// is reports whether a quoted string is that word.
func is(quoted []byte, word string) bool {
	if bytes.IndexByte(quoted, '\\') >= 0 {
		return unquote(quoted) == word
	}
	return string(quoted[1:len(quoted)-1]) == word
}

// unquote is what a quoted string says.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return s
}
