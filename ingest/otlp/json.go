package otlp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"headgate/shardlog"
)

// jsonText is the text encoding of requests: proto3's JSON with ids in hex and enums as
// numbers (OTLP specification, JSON Protobuf Encoding).
type jsonText struct{}

func (jsonText) mediaType() string { return "application/json" }

func (jsonText) check(of shape, b []byte) error {
	if err := checkJSON(of, b); err != nil {
		return &shardlog.Error{Kind: shardlog.Invalid, Op: "decode JSON", Err: err}
	}
	return nil
}

// checkJSON also refuses a request that has members but not the one that
// matters: it was meant for another path or is written in snake case, and
// would be lost in silence.
func checkJSON(of shape, b []byte) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	if !json.Valid(b) {
		var any json.RawMessage
		if err := json.Unmarshal(b, &any); err != nil {
			return err
		}
		return errors.New("not JSON")
	}
	s := &scanner{b: b}
	if s.next() != '{' {
		return errors.New("not an object")
	}
	if err := checkValue(s, of, 0); err != nil {
		return err
	}
	inner, ok := of.inner()
	if !ok {
		return nil
	}
	found, some := false, false
	members(b, func(s *scanner, name []byte, _ int) bool {
		s.value()
		some = true
		found = found || is(name, inner.name)
		return !found
	})
	if some && !found {
		return fmt.Errorf("it has no %s", inner.name)
	}
	return nil
}

// checkValue takes the next value and checks it. Null stands for a field that
// is not there.
func checkValue(s *scanner, of shape, depth int) error {
	if depth > deepest {
		return errDeep
	}
	if s.next() == 'n' {
		s.value()
		return nil
	}
	if of&repeated != 0 {
		return checkArray(s, of&^repeated, depth)
	}
	switch of {
	case fixeds, varints:
		return checkArray(s, number, depth)
	case decimals:
		return checkArray(s, decimal, depth)
	}
	if of.message() {
		return checkObject(s, of, depth)
	}
	if value := s.value(); !scalar(of, value) {
		return fmt.Errorf("%.40s is out of place", value)
	}
	return nil
}

func checkArray(s *scanner, of shape, depth int) (err error) {
	if s.next() != '[' {
		return fmt.Errorf("%.40s is not an array", s.value())
	}
	s.elements(func() bool {
		if s.next() == 'n' {
			err = errors.New("null in an array")
			return false
		}
		err = checkValue(s, of, depth)
		return err == nil
	})
	return err
}

func checkObject(s *scanner, of shape, depth int) (err error) {
	if s.next() != '{' {
		return fmt.Errorf("%.40s is not an object", s.value())
	}
	s.i++
	for {
		switch s.next() {
		case '"':
		case ',':
			s.i++
			continue
		default:
			s.i++
			return nil
		}
		name := s.value()
		s.next()
		s.i++ // the colon
		f, known := of.quoted(name)
		if !known {
			s.value()
			continue
		}
		if err := checkValue(s, f.of, depth+1); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
}

// scalar reports whether a value that is not null is one of that shape. Numbers
// may be strings, as 64-bit ones must be, and enums may be names, as some
// clients write them.
func scalar(of shape, value []byte) bool {
	quoted := value[0] == '"'
	digit := value[0] == '-' || value[0] >= '0' && value[0] <= '9'
	switch of {
	case truth:
		return value[0] == 't' || value[0] == 'f'
	case text:
		return quoted
	case number:
		return digit || quoted && integer(value[1:len(value)-1])
	case decimal:
		return digit || quoted && floating(string(value[1:len(value)-1]))
	case hex:
		return quoted && len(value)%2 == 0 && all(value[1:len(value)-1], hexDigit)
	case octets:
		return quoted && all(value[1:len(value)-1], base64Digit)
	default:
		return false
	}
}

// integer reports whether s is an integer or the name of an enum's value.
func integer(s []byte) bool {
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	return len(s) > 0 && (all(s, func(c byte) bool { return c >= '0' && c <= '9' }) ||
		all(s, func(c byte) bool { return c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' }))
}

func floating(s string) bool {
	if s == "NaN" || s == "Infinity" || s == "-Infinity" {
		return true
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// base64Digit is of both alphabets, as proto3's JSON allows.
func base64Digit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/' || c == '-' || c == '_' || c == '=' ||
		c == '\\' // an escaped slash
}

func all(s []byte, f func(byte) bool) bool {
	for _, c := range s {
		if !f(c) {
			return false
		}
	}
	return true
}

func (jsonText) each(_ shape, b []byte, name string, f func([]byte) bool) {
	members(b, func(s *scanner, n []byte, _ int) bool {
		switch {
		case !is(n, name):
			s.value()
		case s.next() == '[':
			return s.elements(func() bool { return f(s.value()) })
		case s.next() == '{':
			return f(s.value())
		default:
			s.value()
		}
		return true
	})
}

func (jsonText) text(_ shape, b []byte, name string) (text string, ok bool) {
	members(b, func(s *scanner, n []byte, _ int) bool {
		if value := s.value(); is(n, name) && value[0] == '"' {
			text, ok = unquote(value), true
		}
		return true
	})
	return text, ok
}

func (jsonText) head(_ shape, b []byte, name string) []byte {
	var head []byte
	members(b, func(s *scanner, n []byte, from int) bool {
		s.value()
		if is(n, name) {
			return true
		}
		if len(head) > 0 {
			head = append(head, ',')
		}
		head = append(head, s.b[from:s.i]...)
		return true
	})
	return head
}

func (jsonText) wrap(_ shape, head []byte, name string, parts [][]byte) []byte {
	size := len(head) + len(name) + 8
	for _, p := range parts {
		size += len(p) + 1
	}
	b := append(make([]byte, 0, size), '{')
	if b = append(b, head...); len(head) > 0 {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), `":[`...)
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p...)
	}
	return append(b, "]}"...)
}

// success is the response's JSON; its count is a string, as 64-bit numbers are.
func (jsonText) success(of *signal, rejected int64, message string) []byte {
	if rejected == 0 && message == "" {
		return []byte("{}")
	}
	return object(map[string]any{"partialSuccess": map[string]any{of.rejected: strconv.FormatInt(rejected, 10), "errorMessage": message}})
}

func (jsonText) status(code int, message string) []byte {
	return object(map[string]any{"code": code, "message": message})
}

func object(v map[string]any) []byte {
	b, _ := json.Marshal(v) // of strings and numbers, which never fails
	return b
}
