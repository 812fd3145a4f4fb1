package otlp

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The JSON form of an ExportLogsServiceRequest ("JSON Protobuf Encoding", OTLP
// specification): 64-bit numbers are text.
type (
	request struct {
		Resources []resourceLogs `json:"resourceLogs"`
	}
	resourceLogs struct {
		Resource resource    `json:"resource"`
		Scopes   []scopeLogs `json:"scopeLogs"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeLogs struct {
		Scope   scope       `json:"scope"`
		Records []logRecord `json:"logRecords"`
	}
	scope struct {
		Name string `json:"name"`
	}
	logRecord struct {
		Time       string      `json:"timeUnixNano"`
		Observed   string      `json:"observedTimeUnixNano"`
		Body       value       `json:"body"`
		Attributes []attribute `json:"attributes"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
)

// value is an AnyValue. One field is set, or none for null.
type value struct {
	String *string     `json:"stringValue,omitempty"`
	Bool   *bool       `json:"boolValue,omitempty"`
	Int    *string     `json:"intValue,omitempty"`
	Double *float64    `json:"doubleValue,omitempty"`
	Array  *arrayValue `json:"arrayValue,omitempty"`
	Map    *mapValue   `json:"kvlistValue,omitempty"`
}

type arrayValue struct {
	Values []value `json:"values"`
}

type mapValue struct {
	Values []attribute `json:"values"`
}

func text(s string) value {
	s = strings.ToValidUTF8(s, "�")
	return value{String: &s}
}

// deepest is how far down a document becomes values; what lies deeper stays text.
const deepest = 16

// body is a record's data: a map when it is a JSON object, else text.
func body(data []byte) value {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var object map[string]any
	if d.Decode(&object) != nil || object == nil || d.More() {
		return text(string(data))
	}
	return of(object, deepest)
}

func of(v any, deep int) value {
	switch v := v.(type) {
	case nil:
		return value{}
	case bool:
		return value{Bool: &v}
	case json.Number:
		return number(v)
	case []any:
		if deep > 0 {
			all := arrayValue{Values: []value{}}
			for _, one := range v {
				all.Values = append(all.Values, of(one, deep-1))
			}
			return value{Array: &all}
		}
	case map[string]any:
		if deep > 0 {
			all := mapValue{Values: []attribute{}}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				all.Values = append(all.Values, attribute{strings.ToValidUTF8(name, "�"), of(v[name], deep-1)})
			}
			return value{Map: &all}
		}
	case string:
		return text(v)
	}
	raw, err := json.Marshal(v)
	if err != nil { // it came from JSON
		panic(err)
	}
	return text(string(raw))
}

// number is a 64-bit integer, a double, or the text of what is neither.
func number(n json.Number) value {
	s := n.String()
	if _, err := n.Int64(); err == nil {
		return value{Int: &s}
	}
	if f, err := n.Float64(); err == nil {
		return value{Double: &f}
	}
	return text(s)
}
