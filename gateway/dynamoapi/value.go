package dynamoapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headgate/gateway/awsapi"
)

// item is a row: attributes by name.
type item map[string]value

// value is an attribute's value. kind says which member holds it.
type value struct {
	kind  string // S N B BOOL NULL L M SS NS BS, as the protocol names them
	text  string // S, N
	bytes []byte // B
	yes   bool   // BOOL, NULL
	list  []value
	inner item
	set   []string // SS, NS, and BS as strings of bytes
}

// UnmarshalJSON reads {"S": "text"} and its like.
func (v *value) UnmarshalJSON(b []byte) error {
	var one map[string]json.RawMessage
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	if len(one) != 1 {
		return awsapi.Invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	for kind, raw := range one {
		v.kind = kind
		return v.read(raw)
	}
	return nil
}

func (v *value) read(raw json.RawMessage) error {
	switch v.kind {
	case "S":
		return json.Unmarshal(raw, &v.text)
	case "N":
		var err error
		if err = json.Unmarshal(raw, &v.text); err == nil {
			v.text, err = normal(v.text)
		}
		return err
	case "B":
		return json.Unmarshal(raw, &v.bytes)
	case "BOOL", "NULL":
		return json.Unmarshal(raw, &v.yes)
	case "L":
		return json.Unmarshal(raw, &v.list)
	case "M":
		return json.Unmarshal(raw, &v.inner)
	case "SS", "NS":
		if err := json.Unmarshal(raw, &v.set); err != nil {
			return err
		}
		for i := range v.set {
			if v.kind == "NS" {
				var err error
				if v.set[i], err = normal(v.set[i]); err != nil {
					return err
				}
			}
		}
		return v.checkSet()
	case "BS":
		var all [][]byte
		if err := json.Unmarshal(raw, &all); err != nil {
			return err
		}
		for _, b := range all {
			v.set = append(v.set, string(b))
		}
		return v.checkSet()
	}
	return awsapi.Invalid("Supplied AttributeValue has unknown datatype %q", v.kind)
}

func (v *value) checkSet() error {
	if len(v.set) == 0 {
		return awsapi.Invalid("One or more parameter values were invalid: A set may not be empty")
	}
	slices.Sort(v.set)
	if len(slices.Compact(slices.Clone(v.set))) != len(v.set) {
		return awsapi.Invalid("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (v value) MarshalJSON() ([]byte, error) {
	var content any
	switch v.kind {
	case "S", "N":
		content = v.text
	case "B":
		content = nonNil(v.bytes)
	case "BOOL", "NULL":
		content = v.yes
	case "L":
		content = nonNil(v.list)
	case "M":
		if v.inner == nil {
			v.inner = item{}
		}
		content = v.inner
	case "SS", "NS":
		content = v.set
	case "BS":
		all := make([][]byte, len(v.set))
		for i, s := range v.set {
			all[i] = []byte(s)
		}
		content = all
	default:
		return nil, fmt.Errorf("an attribute of no type %q", v.kind)
	}
	return json.Marshal(map[string]any{v.kind: content})
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// equal reports whether two values are the same.
func (v value) equal(o value) bool {
	if v.kind != o.kind || v.text != o.text || v.yes != o.yes || !bytes.Equal(v.bytes, o.bytes) || !slices.Equal(v.set, o.set) {
		return false
	}
	return slices.EqualFunc(v.list, o.list, value.equal) && maps.EqualFunc(v.inner, o.inner, value.equal)
}

// compare orders two values of one kind that has an order: S, N, B.
func (v value) compare(o value) (int, bool) {
	if v.kind != o.kind {
		return 0, false
	}
	switch v.kind {
	case "S":
		return bytes.Compare([]byte(v.text), []byte(o.text)), true
	case "N":
		return number(v.text).Cmp(number(o.text)), true
	case "B":
		return bytes.Compare(v.bytes, o.bytes), true
	}
	return 0, false
}

// size is a value's as DynamoDB's function of that name counts it.
func (v value) size() int {
	switch v.kind {
	case "S":
		return len(v.text)
	case "N":
		return (len(v.text)+1)/2 + 1
	case "B":
		return len(v.bytes)
	case "L":
		return len(v.list)
	case "M":
		return len(v.inner)
	case "SS", "NS", "BS":
		return len(v.set)
	}
	return 1
}
