package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// maxDepth bounds how deeply a policy nests: statement, condition, operator,
// key, values need five.
const maxDepth = 8

// decodeTree reads JSON into maps, slices, strings and bools. Unlike
// json.Unmarshal it refuses a member that is there twice, of which one would
// be read by us and the other by whoever looks at the policy.
func decodeTree(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalidPolicy("something follows the policy")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, invalidPolicy("it is no JSON: %w", err)
	}
	if depth > maxDepth {
		return nil, invalidPolicy("it nests deeper than any policy")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(d, depth)
		}
		return decodeArray(d, depth)
	case string:
		return t, nil
	case bool:
		return strconv.FormatBool(t), nil // Bool conditions are written either way
	}
	return nil, invalidPolicy("%v has no place in a policy", t)
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	all := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, invalidPolicy("it is no JSON: %w", err)
		}
		name, _ := t.(string) // the decoder lets nothing else stand here
		if _, twice := all[name]; twice {
			return nil, invalidPolicy("%.80q stands there twice", name)
		}
		if all[name], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	return all, end(d)
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	all := []any{}
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, end(d)
}

func end(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return invalidPolicy("it is no JSON: %w", err)
	}
	return nil
}
