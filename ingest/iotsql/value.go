package iotsql

import (
	"math/big"
	"strings"
)

// sort is the type of a value.
type sort uint8

const (
	undefined sort = iota // not a value: what is missing, and what cannot be computed
	null
	boolean
	numeric
	str
	array
	object
	raw // a payload that is no JSON
)

// value is what expressions come to. It is not changed once it is made.
type value struct {
	sort   sort
	yes    bool
	text   string   // of a str; of a numeric as it was written, empty when it was computed
	number *decimal // of a numeric, when it was computed
	items  []value
	fields []field
}

// field is one field of an object.
type field struct {
	name  string
	value value
}

func boolOf(b bool) value   { return value{sort: boolean, yes: b} }
func textOf(s string) value { return value{sort: str, text: s} }
func intOf(n int64) value   { return numberOf(decimalOf(n), true) }

// numberOf is undefined unless ok.
func numberOf(d decimal, ok bool) value {
	if !ok {
		return value{}
	}
	return value{sort: numeric, number: &d}
}

func bigOf(n *big.Int) value    { return numberOf(fit(n, 0)) }
func doubleOf(f float64) value  { return numberOf(ofDouble(f)) }
func arrayOf(all []value) value { return value{sort: array, items: all} }

// get is the field of an object, undefined when there is none. Of fields of
// one name the last counts.
func (v value) get(name string) value {
	for i := len(v.fields) - 1; i >= 0; i-- {
		if v.fields[i].name == name {
			return v.fields[i].value
		}
	}
	return value{}
}

// item is the item of an array, or the character of a text.
func (v value) item(n int) value {
	switch {
	case n < 0:
	case v.sort == array && n < len(v.items):
		return v.items[n]
	case v.sort == str:
		for _, r := range v.text {
			if n == 0 {
				return textOf(string(r))
			}
			n--
		}
	}
	return value{}
}

// with is the object with one more field, in place of one of that name.
func (v value) with(name string, what value) value {
	fields := make([]field, 0, len(v.fields)+1)
	for _, f := range v.fields {
		if f.name != name {
			fields = append(fields, f)
		}
	}
	return value{sort: object, fields: append(fields, field{name, what})}
}

// decimal converts to a number, as AWS does without being told.
func (v value) decimal() (decimal, bool) {
	switch {
	case v.sort == numeric && v.number != nil:
		return *v.number, true
	case v.sort == numeric || v.sort == str && !strings.ContainsAny(v.text, "+"):
		return parseDecimal(v.text)
	}
	return decimal{}, false
}

// double converts to double precision.
func (v value) double() (float64, bool) {
	d, ok := v.decimal()
	if !ok {
		return 0, false
	}
	return d.double(), true
}

// bool converts to a Boolean, as AWS does without being told.
func (v value) bool() (yes, ok bool) {
	switch {
	case v.sort == boolean:
		return v.yes, true
	case v.sort == str && strings.EqualFold(v.text, "true"):
		return true, true
	case v.sort == str && strings.EqualFold(v.text, "false"):
		return false, true
	}
	return false, false
}

// string converts to a text, as AWS does without being told.
func (v value) string() (string, bool) {
	switch v.sort {
	case undefined, null:
		return "", false
	case str, raw:
		return v.text, true
	case numeric:
		if d, ok := v.decimal(); ok && (v.text == "" || d.isInt()) {
			return d.String(), true
		}
		return v.text, true
	}
	return string(v.append(nil)), true
}

// equal compares as = does; neither is undefined. Values of different types
// are not equal.
func equal(a, b value) bool {
	if a.sort != b.sort {
		return false
	}
	switch a.sort {
	case boolean:
		return a.yes == b.yes
	case str, raw:
		return a.text == b.text
	case numeric:
		x, ok1 := a.decimal()
		y, ok2 := b.decimal()
		return ok1 && ok2 && x.compare(y) == 0
	case array:
		if len(a.items) != len(b.items) {
			return false
		}
		for i := range a.items {
			if !equal(a.items[i], b.items[i]) {
				return false
			}
		}
	case object:
		if len(a.fields) != len(b.fields) {
			return false
		}
		other := make(map[string]value, len(b.fields))
		for _, f := range b.fields {
			other[f.name] = f.value
		}
		for _, f := range a.fields {
			if o, there := other[f.name]; !there || !equal(f.value, o) {
				return false
			}
		}
	}
	return true
}
