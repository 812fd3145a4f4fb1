package iotsql

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	errNoJSON = errors.New("the payload is no JSON")
	errNested = errors.New("arrays and objects lie too deep within one another")
)

// parseJSON reads a document. Numbers stay as they were written.
func parseJSON(data []byte) (value, error) {
	if !json.Valid(data) {
		return value{}, errNoJSON
	}
	r := reader{left: string(data)}
	v := r.value(0)
	if r.deep {
		return value{}, errNested
	}
	return v, nil
}

// reader reads a document that is known to be valid.
type reader struct {
	left string
	deep bool
}

// skip passes over white space, and over a byte behind it if it is wanted.
func (r *reader) skip(want string) bool {
	r.left = strings.TrimLeft(r.left, " \t\r\n")
	left, found := strings.CutPrefix(r.left, want)
	r.left = left
	return found
}

func (r *reader) value(depth int) (v value) {
	if depth > maxNest {
		r.deep, r.left = true, ""
		return v
	}
	r.skip("")
	switch {
	case r.left == "":
	case r.left[0] == '{':
		return r.object(depth)
	case r.left[0] == '[':
		return r.array(depth)
	case r.left[0] == '"':
		return textOf(r.text())
	case r.skip("true"):
		return boolOf(true)
	case r.skip("false"):
		return boolOf(false)
	case r.skip("null"):
		return value{sort: null}
	default:
		n := len(r.left) - len(strings.TrimLeft(r.left, "+-.0123456789eE"))
		v = value{sort: numeric, text: r.left[:n]}
		r.left = r.left[n:]
	}
	return v
}

func (r *reader) array(depth int) value {
	r.skip("[")
	v := value{sort: array}
	for !r.skip("]") && r.left != "" {
		v.items = append(v.items, r.value(depth+1))
		r.skip(",")
	}
	return v
}

func (r *reader) object(depth int) value {
	r.skip("{")
	v := value{sort: object}
	for !r.skip("}") && r.left != "" {
		name := r.text()
		r.skip(":")
		v.fields = append(v.fields, field{name, r.value(depth + 1)})
		r.skip(",")
		r.skip("")
	}
	return v
}

// text reads a text in quotes.
func (r *reader) text() string {
	for i := 1; i < len(r.left); i++ {
		switch r.left[i] {
		case '\\':
			i++
		case '"':
			inside, whole := r.left[1:i], r.left[:i+1]
			r.left = r.left[i+1:]
			if strings.IndexByte(inside, '\\') < 0 && utf8.ValidString(inside) {
				return inside
			}
			var s string
			_ = json.Unmarshal([]byte(whole), &s) // it is valid
			return s
		}
	}
	r.left = ""
	return ""
}

// append appends the value as JSON; what is undefined is nothing, and left out
// of objects and arrays.
func (v value) append(b []byte) []byte {
	switch v.sort {
	case null:
		return append(b, "null"...)
	case boolean:
		if v.yes {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case numeric:
		if v.text != "" {
			return append(b, v.text...)
		}
		return append(b, v.number.String()...)
	case str, raw:
		return appendText(b, v.text)
	case array:
		b = append(b, '[')
		for _, item := range v.items {
			if item.sort != undefined {
				b = append(item.append(b), ',')
			}
		}
		return append(bytes.TrimSuffix(b, []byte(",")), ']')
	case object:
		b = append(b, '{')
		for _, f := range v.fields {
			if f.value.sort != undefined {
				b = append(f.value.append(append(appendText(b, f.name), ':')), ',')
			}
		}
		return append(bytes.TrimSuffix(b, []byte(",")), '}')
	}
	return b
}

// appendText appends a text as JSON has it. Characters that only HTML minds
// stay as they are.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < 0x20 || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
