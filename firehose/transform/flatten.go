package transform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Flatten lifts the members of nested objects to the top, under the names on
// the way to them. Arrays and empty objects stay as they are. A record in
// which two values would have one name is refused.
type Flatten struct {
	Names     []string `json:"names,omitempty" yaml:"names,omitempty"`         // members of the record; none means all
	Separator string   `json:"separator,omitempty" yaml:"separator,omitempty"` // between names; default _
}

const maxSeparator = 16

func (o *Flatten) check() error {
	if len(o.Separator) > maxSeparator {
		return fmt.Errorf("flatten: the separator has %d bytes, %d are allowed", len(o.Separator), maxSeparator)
	}
	return nil
}

func (o *Flatten) build(b *builder, _ Env) error {
	f := flattening{names: o.Names, separator: o.Separator}
	if f.separator == "" {
		f.separator = "_"
	}
	b.edit(f)
	return nil
}

type flattening struct {
	names     []string
	separator string
}

// maxFlat bounds the names of nested objects, which repeat those above.
const maxFlat = 8 << 20

func (f flattening) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	w := flatWriter{separator: f.separator, seen: map[string]bool{}}
	w.b.WriteByte('{')
	gjson.Parse(d.json).ForEach(func(name, v gjson.Result) bool {
		if len(f.names) == 0 || slices.Contains(f.names, name.Str) {
			return w.lift(name.Str, v)
		}
		return w.write(name.Str, v.Raw)
	})
	w.b.WriteByte('}')
	if w.err != nil {
		return false, w.err
	}
	d.become(w.b.String())
	return true, nil
}

type flatWriter struct {
	separator string
	seen      map[string]bool
	b         strings.Builder
	err       error
}

// lift writes a value, or its members when it is an object that has some.
func (w *flatWriter) lift(name string, v gjson.Result) bool {
	empty := true
	if v.IsObject() {
		v.ForEach(func(inner, v gjson.Result) bool {
			empty = false
			return w.lift(name+w.separator+inner.Str, v)
		})
	}
	if empty {
		return w.write(name, v.Raw)
	}
	return w.err == nil
}

func (w *flatWriter) write(name, raw string) bool {
	switch {
	case w.seen[name]:
		w.err = refused(CodeFlatten, "two values would be named %q", name)
	case w.b.Len()+len(name)+len(raw) > maxFlat:
		w.err = refused(CodeLimit, "the record would be larger than %d bytes", maxFlat)
	default:
		if w.seen[name] = true; w.b.Len() > 1 {
			w.b.WriteByte(',')
		}
		w.b.WriteString(quote(name))
		w.b.WriteByte(':')
		w.b.WriteString(raw)
	}
	return w.err == nil
}
