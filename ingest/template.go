package ingest

import (
	"strings"

	"headgate/ingest/decode"
	"headgate/shardlog"
)

// template is a compiled text with fields to fill in.
type template []part

// part is one piece of a template: text as it stands, or a field to fill in.
type part struct {
	text      string // of fieldText; the name of fieldProperty
	field     field
	level     int      // of fieldLevel and fieldRest, from 1
	path      []string // of fieldJSON and fieldCBOR
	modifiers []modifier
}

// parseTemplate compiles a text: fields between braces, each with
// modifiers behind bars. Kind Invalid.
func parseTemplate(text string) (template, error) {
	var t template
	for left := text; left != ""; {
		before, after, open := strings.Cut(left, "{")
		if strings.Contains(before, "}") {
			return nil, badTemplate(text, "a } without its {")
		}
		if before != "" {
			t = append(t, part{text: before})
		}
		if !open {
			break
		}
		inside, rest, closed := strings.Cut(after, "}")
		if !closed {
			return nil, badTemplate(text, "a { without its }")
		}
		p, why := parsePart(inside)
		if why != "" {
			return nil, badTemplate(text, why)
		}
		t = append(t, p)
		left = rest
	}
	return t, nil
}

func badTemplate(text, why string) error {
	return shardlog.Errorf(shardlog.Invalid, "compile template", "%q: %s", text, why)
}

// parsePart reads what stands between braces.
func parsePart(inside string) (p part, why string) {
	name, list, more := strings.Cut(inside, "|")
	p, ok := parseField(name)
	if !ok {
		return p, "there is no field {" + name + "}: there are " + fieldNames
	}
	for more {
		var one string
		one, list, more = strings.Cut(list, "|")
		m, ok := parseModifier(one)
		if !ok {
			return p, "there is no modifier |" + one + ": there are |lower, |default:TEXT and |hash:N with N from 1 to 64"
		}
		p.modifiers = append(p.modifiers, m)
	}
	return p, ""
}

// plain reports whether the template is one part of the message as it stands.
func (t template) plain() bool {
	if len(t) != 1 || t[0].modifiers != nil {
		return false
	}
	_, reads := t[0].format()
	return !reads
}

// format is what a part takes payloads for; false: it does not read them.
func (p *part) format() (Decode, bool) {
	switch p.field {
	case fieldJSON:
		return DecodeJSON, true
	case fieldCBOR:
		return DecodeCBOR, true
	}
	return "", false
}

// glob is a pattern that all texts the template makes match, and more.
func (t template) glob() string {
	var b strings.Builder
	for _, p := range t {
		if p.field == fieldText {
			b.WriteString(p.text)
		} else {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// outcome says how a template went.
type outcome uint8

const (
	filled    outcome = 0
	missing   outcome = 1 << 0 // a field is missing
	malformed outcome = 1 << 1 // a payload is not what a field takes it for
)

// fill is the template's text for one message, empty when a field is missing.
// It may be part of the message.
func (t template) fill(from *Source) (string, outcome) {
	if t.plain() {
		text, ok := t[0].value(from)
		if !ok {
			return "", missing
		}
		return text, filled
	}
	var room [128]byte
	b, o := t.append(room[:0], from)
	return string(b), o
}

// append appends the template's text, nothing when a field is missing.
func (t template) append(b []byte, from *Source) ([]byte, outcome) {
	begin, all := len(b), filled
	for i := range t {
		var o outcome
		b, o = t[i].append(b, from)
		if all |= o; o&missing != 0 {
			return b[:begin], all
		}
	}
	return b, all
}

// append appends what the part stands for in this message.
func (p *part) append(b []byte, from *Source) ([]byte, outcome) {
	begin, o := len(b), filled
	if p.field == fieldJSON || p.field == fieldCBOR {
		b, o = p.payload(b, from)
	} else if text, ok := p.value(from); ok {
		b = append(b, text...)
	} else {
		o = missing
	}
	for _, m := range p.modifiers {
		b, o = m.apply(b, begin, o)
	}
	return b, o
}

// payload appends a field of the payload.
func (p *part) payload(b []byte, from *Source) ([]byte, outcome) {
	if len(from.Payload) == 0 {
		return b, missing
	}
	read := decode.JSON
	if p.field == fieldCBOR {
		read = decode.CBOR
	}
	v, err := read(from.Payload, p.path)
	if err != nil {
		return b, missing | malformed
	}
	b, ok := v.Append(b)
	if !ok {
		return b, missing
	}
	return b, filled
}
