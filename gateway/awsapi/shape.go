package awsapi

// Type is what a member of a request must be.
type Type uint8

// The types.
const (
	String Type = iota
	Integer
	Double
	Boolean
	Blob
	Timestamp
	List
	Map
	Structure
)

// Field is one member of a request: its name, its type, and what must hold of
// it, in the order in which AWS reports it.
type Field struct {
	Name   string
	Type   Type
	Rules  []Rule
	Fields []Field // of a Structure
	Of     *Field  // what a List or a Map holds; its name says nothing
	Label  string  // how one element of a List prints in an error; "": as it is
}

// Input is a checked request, or a structure inside one. Members that were
// absent or null are not in it.
type Input map[string]any

// Has reports whether the member was given.
func (in Input) Has(name string) bool { return in[name] != nil }

// Text is a String member, "" when absent.
func (in Input) Text(name string) string {
	s, _ := in[name].(string)
	return s
}

// Int is an Integer member, or what is said otherwise.
func (in Input) Int(name string, otherwise int) int {
	if n, ok := in[name].(int64); ok {
		return int(n)
	}
	return otherwise
}

// Double is a Double member; false when absent.
func (in Input) Double(name string) (float64, bool) {
	n, ok := in[name].(float64)
	return n, ok
}

// Bool is a Boolean member, false when absent.
func (in Input) Bool(name string) bool {
	b, _ := in[name].(bool)
	return b
}

// Blob is a Blob member, nil when absent.
func (in Input) Blob(name string) []byte {
	b, _ := in[name].([]byte)
	return b
}

// Millis is a Timestamp member in milliseconds since 1970; false when absent.
func (in Input) Millis(name string) (int64, bool) {
	s, ok := in[name].(float64)
	if !ok {
		return 0, false
	}
	return toInt64(s * 1000), true
}

// Inner is a Structure member, nil when absent.
func (in Input) Inner(name string) Input {
	inner, _ := in[name].(Input)
	return inner
}

// List is a List member, nil when absent.
func (in Input) List(name string) []any {
	list, _ := in[name].([]any)
	return list
}

// Map is a Map member, nil when absent.
func (in Input) Map(name string) map[string]any {
	m, _ := in[name].(map[string]any)
	return m
}
