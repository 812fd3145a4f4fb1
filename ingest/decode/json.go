package decode

import (
	"bytes"
	"encoding/json"
	"strconv"

	"headgate/shardlog"
)

// JSON is the value at the end of a path of names and, in lists, of numbers
// from zero. An empty path is the payload itself. Of names that an object has
// twice the first counts. It reads no further than it must: a fault behind the
// value, or inside what it passes over, is not noticed; CheckJSON notices. A
// path that leads nowhere is Missing and no error. Kind Invalid: this is no JSON.
func JSON(b []byte, path []string) (Value, error) {
	s := jsonScanner{b: b}
	for _, name := range path {
		there, ok := s.enter(name)
		if !ok {
			return Value{}, badJSON(s.at)
		}
		if !there {
			return Value{}, nil
		}
	}
	v, ok := s.value()
	if !ok {
		return Value{}, badJSON(s.at)
	}
	return v, nil
}

// CheckJSON reads the whole payload. Kind Invalid: it is not one JSON text.
func CheckJSON(b []byte) error {
	if !json.Valid(b) {
		return shardlog.Errorf(shardlog.Invalid, "read json", "malformed")
	}
	return nil
}

func badJSON(at int) error {
	return shardlog.Errorf(shardlog.Invalid, "read json", "malformed at byte %d", at)
}

// jsonScanner reads forward.
type jsonScanner struct {
	b  []byte
	at int
}

// space passes over what may stand between tokens and answers the byte there,
// zero at the end.
func (s *jsonScanner) space() byte {
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// enter moves to the value of that name in the object, or of that number in
// the list, that begins here; false: there is none such, or this is neither.
func (s *jsonScanner) enter(name string) (there, ok bool) {
	switch s.space() {
	case '{':
		return s.member(name)
	case '[':
		return s.element(name)
	}
	_, ok = s.value()
	return false, ok
}

func (s *jsonScanner) member(name string) (there, ok bool) {
	s.at++
	if s.space() == '}' {
		return false, true
	}
	for {
		if s.space() != '"' {
			return false, false
		}
		key, escaped, ok := s.quoted()
		if !ok || s.space() != ':' {
			return false, false
		}
		s.at++
		if escaped {
			if key, ok = unescape(key); !ok {
				return false, false
			}
		}
		if string(key) == name {
			return true, true
		}
		if !s.skip() {
			return false, false
		}
		switch s.space() {
		case ',':
			s.at++
		case '}':
			return false, true
		default:
			return false, false
		}
	}
}

func (s *jsonScanner) element(name string) (there, ok bool) {
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return false, true
	}
	s.at++
	if s.space() == ']' {
		return false, true
	}
	for ; n > 0; n-- {
		if !s.skip() {
			return false, false
		}
		switch s.space() {
		case ',':
			s.at++
		case ']':
			return false, true
		default:
			return false, false
		}
	}
	return true, true
}

// quoted reads the string that begins here, without its quotes.
func (s *jsonScanner) quoted() (inside []byte, escaped, ok bool) {
	begin := s.at + 1
	for at := begin; at < len(s.b); at++ {
		switch s.b[at] {
		case '"':
			s.at = at + 1
			return s.b[begin:at], escaped, true
		case '\\':
			escaped = true
			at++
		}
	}
	return nil, false, false
}

// unescape resolves the escapes of a string's inside.
func unescape(inside []byte) ([]byte, bool) {
	quoted := make([]byte, 0, len(inside)+2)
	quoted = append(append(append(quoted, '"'), inside...), '"')
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err == nil
}

// skip passes over one value.
func (s *jsonScanner) skip() bool {
	switch c := s.space(); c {
	case '"':
		_, _, ok := s.quoted()
		return ok
	case '{', '[':
		return s.skipTree()
	case 0:
		return false
	}
	return s.word() != nil
}

// skipTree passes over an object or a list by its brackets.
func (s *jsonScanner) skipTree() bool {
	depth := 0
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case '"':
			if _, _, ok := s.quoted(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return true
			}
		}
		s.at++
	}
	return false
}

// word reads what has no quotes: a number, true, false, null.
func (s *jsonScanner) word() []byte {
	begin := s.at
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			continue
		}
		break
	}
	if s.at == begin {
		return nil
	}
	return s.b[begin:s.at]
}

// value reads the value that begins here.
func (s *jsonScanner) value() (Value, bool) {
	switch s.space() {
	case '"':
		inside, escaped, ok := s.quoted()
		if ok && escaped {
			inside, ok = unescape(inside)
		}
		return Value{Kind: String, text: inside}, ok
	case '{', '[':
		begin := s.at
		ok := s.skipTree()
		return Value{Kind: Tree, text: s.b[begin:s.at]}, ok
	}
	switch word := s.word(); {
	case string(word) == "true":
		return Value{Kind: Bool, bits: 1}, true
	case string(word) == "false":
		return Value{Kind: Bool}, true
	case string(word) == "null":
		return Value{Kind: Null}, true
	case isNumber(word):
		return Value{Kind: Number, text: word}, true
	}
	return Value{}, false
}

// isNumber reports whether the text is a number of JSON (RFC 8259, 6).
func isNumber(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	whole := digits(b)
	if whole == 0 || whole > 1 && b[0] == '0' {
		return false
	}
	if b = b[whole:]; len(b) > 0 && b[0] == '.' {
		n := digits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		n := digits(b)
		if n == 0 {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

// digits is how many digits the text begins with.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}
