package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
)

// maxValues bounds what a body may hold, counted by the commas and brackets
// in it. The largest request that AWS knows stays far below.
const maxValues = 250_000

// isObject reports whether the body is one JSON object, without making one.
func isObject(body []byte) bool {
	start := bytes.TrimLeft(body, " \t\r\n")
	return len(start) > 0 && start[0] == '{' && json.Valid(body)
}

// Read reads a JSON body as fields describe it, and checks types and then
// constraints.
func Read(body []byte, fields []Field) (Input, *Error) {
	data, ok := decode(body)
	return check(data, ok, fields)
}

// ReadCBOR is Read for a body in CBOR 1.1. Blobs lie in the body.
func ReadCBOR(body []byte, fields []Field) (Input, *Error) {
	data, ok := decodeCBOR(CBOR{rest: body})
	return check(data, ok, fields)
}

// readRPC is Read for a body of Smithy's RPC v2: CBOR whose times are in seconds.
func readRPC(body []byte, fields []Field) (Input, *Error) {
	data, ok := decodeCBOR(CBOR{rest: body, seconds: true})
	return check(data, ok, fields)
}

// check makes an Input of what was decoded, if it was.
func check(data map[string]any, ok bool, fields []Field) (Input, *Error) {
	if !ok {
		return nil, serialization("")
	}
	in, err := checkTypes(data, fields)
	if err == nil {
		err = validate(in, fields)
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

// decode reads a JSON object; false when the body is none.
func decode(body []byte) (map[string]any, bool) {
	if bytes.Count(body, []byte{','})+bytes.Count(body, []byte{'['})+bytes.Count(body, []byte{'{'}) > maxValues {
		return nil, false
	}
	var data map[string]any
	if err := json.Unmarshal(body, &data); err != nil || data == nil {
		return nil, false
	}
	return data, true
}

// checkTypes takes the members that fields name out of data, each as the Go
// value of its type. Unknown members and nulls are passed over.
func checkTypes(data map[string]any, fields []Field) (Input, *Error) {
	in := make(Input, len(fields))
	for i := range fields {
		f := &fields[i]
		given := data[f.Name]
		if given == nil {
			continue
		}
		value, err := convert(given, f)
		if err != nil {
			return nil, err
		}
		in[f.Name] = value
	}
	return in, nil
}

func convert(given any, f *Field) (any, *Error) {
	switch f.Type {
	case Boolean:
		if b, ok := given.(bool); ok {
			return b, nil
		}
		if s, ok := given.(string); ok {
			return nil, serialization("'" + clip(strings.ToUpper(s)) + "' can not be converted to an Boolean")
		}
		return nil, mismatch(given, "an Boolean")
	case Integer:
		switch n := given.(type) {
		case float64:
			return min(toInt64(math.Floor(n)), math.MaxInt32), nil
		case cborNumber:
			return min(toInt64(math.Floor(float64(n))), math.MaxInt32), nil
		}
		return nil, mismatch(given, "an Integer")
	case Double:
		switch n := given.(type) {
		case float64:
			return n, nil
		case cborNumber:
			return float64(n), nil
		}
		return nil, mismatch(given, "a Double")
	case String:
		if s, ok := given.(string); ok {
			return s, nil
		}
		return nil, mismatch(given, "an String")
	case Timestamp:
		switch at := given.(type) {
		case float64:
			return at, nil
		case cborNumber:
			return float64(at) / 1000, nil
		}
		return nil, mismatch(given, "milliseconds since epoch")
	case Blob:
		switch b := given.(type) {
		case []byte:
			return b, nil
		case string:
			return decodeBlob(b)
		}
		return nil, mismatch(given, "a Blob")
	case List:
		return convertList(given, f)
	case Map:
		return convertMap(given, f)
	default:
		return convertStructure(given, f)
	}
}

func convertList(given any, f *Field) (any, *Error) {
	list, ok := given.([]any)
	if !ok {
		if _, ok := given.(map[string]any); ok {
			return nil, misplaced("structure or map", ".")
		}
		return nil, serialization("Expected list or null")
	}
	for i, element := range list {
		if element == nil {
			continue
		}
		value, err := convert(element, f.Of)
		if err != nil {
			return nil, err
		}
		list[i] = value
	}
	return list, nil
}

func convertMap(given any, f *Field) (any, *Error) {
	data, ok := given.(map[string]any)
	if !ok {
		if _, ok := given.([]any); ok {
			return nil, misplaced("list", "")
		}
		return nil, serialization("Expected map or null")
	}
	for name, element := range data {
		if element == nil {
			continue
		}
		value, err := convert(element, f.Of)
		if err != nil {
			return nil, err
		}
		data[name] = value
	}
	return data, nil
}

func convertStructure(given any, f *Field) (any, *Error) {
	data, ok := given.(map[string]any)
	if !ok {
		if _, ok := given.([]any); ok {
			return nil, misplaced("list", "")
		}
		return nil, serialization("Expected null")
	}
	return checkTypes(data, f.Fields)
}

// mismatch is the error of a value that cannot become what is wanted.
func mismatch(given any, wanted string) *Error {
	class := ""
	switch given.(type) {
	case []any:
		return misplaced("list", "")
	case map[string]any:
		return misplaced("structure or map", ".")
	case bool:
		class = "java.lang.Boolean"
	case string:
		class = "java.lang.String"
	case []byte:
		class = "java.nio.HeapByteBuffer"
	default:
		class = "com.amazon.coral.value.json.numbers.TruncatingBigNumber"
	}
	return serialization("class " + class + " can not be converted to " + wanted)
}

func misplaced(what, stop string) *Error {
	return serialization("Start of " + what + " found where not expected" + stop)
}

var strict = base64.StdEncoding.Strict()

func decodeBlob(s string) ([]byte, *Error) {
	bad := func(why string) ([]byte, *Error) {
		return nil, serialization("'" + clip(s) + "' can not be converted to a Blob: " + why)
	}
	if len(s)%4 != 0 {
		return bad("Base64 encoded length is expected a multiple of 4 bytes but found: " + itoa(int64(len(s))))
	}
	for i := range len(s) {
		if !isBase64(s[i]) || s[i] == '=' && i+1 < len(s) && s[i+1] != '=' {
			return bad("Invalid Base64 character: '" + string(rune(s[i])) + "'")
		}
	}
	data, err := strict.DecodeString(s)
	if err != nil {
		return bad("Invalid last non-pad Base64 character dectected") // AWS's spelling
	}
	return data, nil
}

func isBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '='
}

// toInt64 rounds toward zero and stops at the ends.
func toInt64(f float64) int64 {
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}
