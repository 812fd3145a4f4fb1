package iotsql

import (
	"strings"

	"headgate/shardlog"
)

// Template is a compiled substitution template: text with ${expression} in it.
// It does not change, and any number may use it at once.
type Template struct {
	text  string
	parts []part
	names bool // needs a payload of JSON
}

// part is text, or an expression.
type part struct {
	text string
	eval expression // nil: text
}

// ParseTemplate compiles a template. Kind Invalid, with the place of the fault.
func ParseTemplate(text string) (*Template, error) {
	if len(text) > MaxSQL {
		return nil, shardlog.Errorf(shardlog.Invalid, "read template", "%d bytes, %d are allowed", len(text), MaxSQL)
	}
	t := &Template{text: text}
	for left := text; left != ""; {
		before, after, open := strings.Cut(left, "${")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !open {
			break
		}
		inside, rest, closed := cutExpression(after)
		if !closed {
			return nil, shardlog.Errorf(shardlog.Invalid, "read template", "%q: ${ has no closing }", text)
		}
		eval, names, err := parseExpression(inside)
		if err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "read template", "in ${%s}: %w", inside, err)
		}
		t.parts, t.names, left = append(t.parts, part{eval: eval}), t.names || names, rest
	}
	return t, nil
}

// cutExpression cuts at the } that closes ${: not one in quotes, nor one that
// closes an object.
func cutExpression(s string) (inside, rest string, closed bool) {
	open, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '{':
			open++
		case c == '}' && open == 0:
			return s[:i], s[i+1:], true
		case c == '}':
			open--
		}
	}
	return "", "", false
}

func parseExpression(text string) (eval expression, names bool, err error) {
	p, err := begin(text)
	if err != nil {
		return nil, false, err
	}
	n, err := p.expression()
	if err == nil && p.peek().kind != end {
		err = p.unexpected("the end")
	}
	return n.eval, p.names, err
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Fixed is the text of a template without expressions; false when it has some.
func (t *Template) Fixed() (string, bool) {
	for _, p := range t.parts {
		if p.eval != nil {
			return "", false
		}
	}
	return t.text, true
}

// Fill is the template filled in for a message. An error says why it cannot
// be: an expression is Undefined. It is of Kind Invalid.
func (t *Template) Fill(m *Message) (string, error) {
	r := newRun(m)
	if t.names {
		var err error
		if r.root, err = parseJSON(m.Payload); err != nil {
			return "", refused(err)
		}
	}
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
		if p.eval == nil {
			continue
		}
		s, ok := p.eval(scope{run: r, here: r.root}).string()
		if err := r.fault(nil); err != nil {
			return "", err
		}
		if !ok || b.Len()+len(s) > maxFilled {
			return "", shardlog.Errorf(shardlog.Invalid, "fill template", "%q: an expression is undefined, or too long", t.text)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// maxFilled is how long a filled template may be, in bytes.
const maxFilled = 64 << 10
