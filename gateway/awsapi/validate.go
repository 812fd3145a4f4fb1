package awsapi

import (
	"slices"
	"strconv"
	"strings"
)

const (
	maxProblems = 10       // AWS stops there
	maxPrinted  = 40 << 10 // of one value in an error, in bytes
)

// problems collects broken constraints, as many as AWS reports.
type problems []string

// validate answers a ValidationException that names every broken constraint,
// or nil.
func validate(in Input, fields []Field) *Error {
	var found problems
	found.structure(in, fields, "")
	switch len(found) {
	case 0:
		return nil
	case 1:
		return Invalid("1 validation error detected: %s", found[0])
	}
	return Invalid("%d validation errors detected: %s", len(found), strings.Join(found, "; "))
}

func (p *problems) structure(in Input, fields []Field, path string) {
	for i := range fields {
		p.field(in[fields[i].Name], &fields[i], path+lowerFirst(fields[i].Name))
	}
}

func (p *problems) field(value any, f *Field, path string) {
	for _, rule := range f.Rules {
		if len(*p) >= maxProblems {
			return
		}
		if value == nil && !rule.null || rule.holds(value) {
			continue
		}
		*p = append(*p, "Value "+printed(value, f)+" at '"+path+"' failed to satisfy constraint: "+rule.text)
	}
	switch value := value.(type) {
	case Input:
		p.structure(value, f.Fields, path+".")
	case []any:
		for i, element := range value {
			if len(*p) >= maxProblems {
				return
			}
			p.field(element, f.Of, path+"."+strconv.Itoa(i+1)+".member")
		}
	case map[string]any:
		for _, name := range sortedNames(value) {
			p.field(value[name], f.Of, path+"."+clip(name)+".member")
		}
	}
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// printed is a value as AWS's errors show it.
func printed(value any, f *Field) string {
	if value == nil {
		return "null"
	}
	return "'" + plain(value, f) + "'"
}

func plain(value any, f *Field) string {
	switch value := value.(type) {
	case string:
		return clip(value)
	case int64:
		return itoa(value)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(value)
	case []byte:
		n := strconv.Itoa(len(value))
		return "java.nio.HeapByteBuffer[pos=0 lim=" + n + " cap=" + n + "]"
	case []any:
		var all strings.Builder
		for i, element := range value {
			if all.Len() > maxPrinted {
				break
			}
			if i > 0 {
				all.WriteString(", ")
			}
			if f.Label != "" {
				all.WriteString(f.Label)
			} else if element == nil {
				all.WriteString("null")
			} else {
				all.WriteString(plain(element, f.Of))
			}
		}
		return "[" + all.String() + "]"
	default:
		return "{}"
	}
}

// clip cuts a text that somebody else chose, so that an error stays small.
func clip(s string) string {
	if len(s) > maxPrinted {
		return strings.ToValidUTF8(s[:maxPrinted], "")
	}
	return s
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
