package encode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// CodeConversion is the code of a record that fails the schema.
const CodeConversion = "format-conversion-failed"

// RowError says why a record is no row of the schema.
type RowError struct {
	Column string // empty when it is the whole record
	Err    error
}

// Error begins with CodeConversion.
func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("%s: %v", CodeConversion, e.Err)
	}
	return fmt.Sprintf("%s: column %s: %v", CodeConversion, e.Column, e.Err)
}

// Unwrap is the cause.
func (e *RowError) Unwrap() error { return e.Err }

// row holds a value for each column: nil, bool, int64, float32, float64 or
// string, as the column's type says.
type row []any

// readRow reads a JSON object. Values are found by path, or by name in a line
// that appendRow wrote.
func readRow(columns []Column, data []byte, path func(c Column) []string) (row, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, &RowError{Err: fmt.Errorf("the record is not a JSON object: %w", err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || object == nil {
		return nil, &RowError{Err: errors.New("the record is not one JSON object")}
	}
	r := make(row, len(columns))
	for i, c := range columns {
		v := find(object, path(c))
		if v == nil {
			if c.Required {
				return nil, &RowError{c.Name, errors.New("it is required and not there")}
			}
			continue
		}
		var err error
		if r[i], err = types[c.Type].read(v); err != nil {
			return nil, &RowError{c.Name, err}
		}
	}
	return r, nil
}

func find(object map[string]any, path []string) any {
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			return nil
		}
		object = inner
	}
	return object[path[len(path)-1]]
}

// byPath is where a column's value is in a record.
func byPath(c Column) []string {
	if c.Path == "" {
		return []string{c.Name}
	}
	return strings.Split(c.Path, ".")
}

// byName is where it is in a line.
func byName(c Column) []string { return []string{c.Name} }

// appendRow writes a row as a line of JSON: columns in order, without those
// that are null. A line that is read and written again is the same.
func appendRow(dst []byte, columns []Column, r row) []byte {
	dst = append(dst, '{')
	first := true
	for i, c := range columns {
		if r[i] == nil {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), c.Name...), '"', ':')
		dst = types[c.Type].write(dst, r[i])
	}
	return append(dst, '}', '\n')
}
