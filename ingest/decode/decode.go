// Package decode looks into payloads: one field out of JSON or CBOR, the
// metrics of Sparkplug B. It makes no tree of a payload, changes none, and
// knows neither topics' routes nor the log.
package decode

import (
	"math"
	"strconv"
)

// Kind is what a Value is.
type Kind uint8

// The kinds of values. A Tree is an object, a list, or what else holds values.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Bytes
	Tree
)

// Value is one value out of a payload. Its text is part of the payload
// wherever it can be, so that it is good as long as the payload is not
// changed. The zero Value is Missing.
type Value struct {
	Kind Kind
	form form
	bits uint64
	text []byte
}

// form is how a number is held.
type form uint8

const (
	formText form = iota // in text, as JSON writes it
	formUint
	formInt     // bits are an int64's
	formFloat   // bits are a float64's
	formFloat32 // bits are a float32's
)

// Text is the contents of a String or Bytes, a JSON number as it is written,
// and a Tree as it is encoded; nil for others. The caller must not change it.
func (v Value) Text() []byte { return v.text }

// Truth is a Bool's.
func (v Value) Truth() bool { return v.Kind == Bool && v.bits != 0 }

// Float is a Number as near as a float64 comes to it.
func (v Value) Float() (float64, bool) {
	if v.Kind != Number {
		return 0, false
	}
	switch v.form {
	case formUint:
		return float64(v.bits), true
	case formInt:
		return float64(int64(v.bits)), true
	case formFloat, formFloat32:
		return v.float(), true
	}
	f, err := strconv.ParseFloat(string(v.text), 64)
	return f, err == nil
}

// Append appends the value as text: a string's contents, a number in decimal
// (as it is written where it is), true or false. The others have no text:
// false, and b is as it was.
func (v Value) Append(b []byte) ([]byte, bool) {
	switch v.Kind {
	case String, Bytes:
		return append(b, v.text...), true
	case Bool:
		return strconv.AppendBool(b, v.bits != 0), true
	case Number:
		return v.appendNumber(b), true
	}
	return b, false
}

func (v Value) appendNumber(b []byte) []byte {
	switch v.form {
	case formUint:
		return strconv.AppendUint(b, v.bits, 10)
	case formInt:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case formFloat:
		return strconv.AppendFloat(b, v.float(), 'g', -1, 64)
	case formFloat32:
		return strconv.AppendFloat(b, v.float(), 'g', -1, 32)
	}
	return append(b, v.text...)
}

// float is a number's bits as what they are.
func (v Value) float() float64 {
	if v.form == formFloat32 {
		return float64(math.Float32frombits(uint32(v.bits)))
	}
	return math.Float64frombits(v.bits)
}
