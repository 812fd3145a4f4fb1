package shadow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// object is a JSON object. Values are nil, bool, string, json.Number (as it was
// typed), []any and object.
type object = map[string]any

var (
	errJSON = errors.New("invalid JSON")
	errDeep = errors.New("too many levels")
)

// parse reads one JSON object of at most so many levels, itself one of them.
// What encoding/json would let pass is an error: bytes that are no UTF-8, and a
// name that stands twice in one object.
func parse(b []byte, levels int) (object, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(d, levels)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errJSON
	}
	return o, nil
}

func parseValue(d *json.Decoder, levels int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errJSON
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if levels == 0 {
		return nil, errDeep
	}
	if opening == '{' {
		return parseObject(d, levels-1)
	}
	list := []any{}
	for d.More() {
		v, err := parseValue(d, levels-1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.Token()
	return list, err
}

func parseObject(d *json.Decoder, levels int) (any, error) {
	o := object{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if _, twice := o[name]; err != nil || !ok || twice {
			return nil, errJSON
		}
		if o[name], err = parseValue(d, levels); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

// encode is the value as JSON without blanks, names in order.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("shadow: a value that came from JSON is none: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// equal reports whether two values are the same. Numbers are when they have the
// same value, however they were typed.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || decimal(string(a)) == decimal(string(b)))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, there := b[name]; !there || !equal(a[name], other) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, object:
		return false
	}
	return a == b
}

// number is a decimal number in the one form that its value has: digits
// without zeros at either end, times a power of ten.
type number struct {
	minus  bool
	digits string
	power  string
}

// decimal is a JSON number in that form. Numbers whose exponents are out of
// all proportion are what they were typed as.
func decimal(text string) number {
	n := number{}
	n.digits, n.minus = strings.CutPrefix(text, "-")
	power := 0
	if i := strings.IndexAny(n.digits, "eE"); i >= 0 {
		var ok bool
		if power, ok = exponent(n.digits[i+1:]); !ok {
			return number{digits: text}
		}
		n.digits = n.digits[:i]
	}
	whole, fraction, _ := strings.Cut(n.digits, ".")
	power -= len(fraction)
	n.digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(n.digits, "0")
	power += len(n.digits) - len(short)
	if short == "" {
		return number{digits: "0"}
	}
	n.digits, n.power = short, itoa(int64(power))
	return n
}
