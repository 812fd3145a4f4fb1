package line

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// point is one line of the protocol, taken apart. Its slices are parts of the
// request.
type point struct {
	number      int    // of the line it begins in, from 1
	raw         []byte // the line without white space around it
	measurement []byte // escaped, as sent
	tags        []tag  // as sent
}

// tag is one of a point's, escaped as sent.
type tag struct{ name, value []byte }

// parser reads points one after another. Line feeds end a line unless they
// are inside a quoted field value.
type parser struct {
	b    []byte
	i    int
	line int   // from 1
	unit int64 // nanoseconds of a timestamp
}

// next is the next point; false at the end. An error says what is wrong with
// the point, whose raw then is the line as far as it was read. The tags are
// valid until the next call.
func (p *parser) next(into *point) (bool, error) {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case '\n':
			p.line++
			p.i++
		case ' ', '\t', '\r':
			p.i++
		case '#':
			p.rest()
		default:
			return true, p.point(into)
		}
	}
	return false, nil
}

// rest passes over what is left of the line, without its end.
func (p *parser) rest() {
	n := bytes.IndexByte(p.b[p.i:], '\n')
	if n < 0 {
		n = len(p.b) - p.i
	}
	p.i += n
}

// point reads measurement[,tag=value…] field=value[,…] [timestamp] (InfluxDB,
// Line protocol reference).
func (p *parser) point(into *point) error {
	*into = point{number: p.line, tags: into.tags[:0]}
	from := p.i
	err := p.parts(into)
	if err != nil {
		p.rest()
	}
	into.raw = bytes.TrimRight(p.b[from:p.i], " \t\r")
	if err == nil && !utf8.Valid(into.raw) {
		err = errors.New("not UTF-8")
	}
	return err
}

func (p *parser) parts(into *point) error {
	if into.measurement = p.word(false); len(into.measurement) == 0 {
		return errors.New("missing measurement")
	}
	for p.at(',') {
		p.i++
		t := tag{name: p.word(true)}
		if len(t.name) == 0 || !p.at('=') {
			return errors.New("missing tag key or value")
		}
		p.i++
		if t.value = p.word(true); len(t.value) == 0 || p.at('=') {
			return errors.New("missing tag value")
		}
		into.tags = append(into.tags, t)
	}
	if !p.spaces() {
		return errors.New("missing fields")
	}
	if err := p.fields(); err != nil {
		return err
	}
	if p.ended() {
		return nil
	}
	if !p.spaces() {
		return errors.New("invalid field format")
	}
	if p.ended() {
		return nil
	}
	return p.timestamp()
}

// fields reads one field or more.
func (p *parser) fields() error {
	for {
		if len(p.word(true)) == 0 {
			return errors.New("missing field key")
		}
		if !p.at('=') {
			return errors.New("missing field value")
		}
		p.i++
		if err := p.value(); err != nil {
			return err
		}
		if !p.at(',') {
			return nil
		}
		p.i++
	}
}

// value reads a field's value.
func (p *parser) value() error {
	if p.at('"') {
		return p.quoted()
	}
	from := p.i
	for p.i < len(p.b) && p.b[p.i] != ',' && !blank(p.b[p.i]) {
		p.i++
	}
	return scalar(string(p.b[from:p.i]))
}

// quoted passes over a string, in which \" and \\ are escapes.
func (p *parser) quoted() error {
	for i := p.i + 1; i < len(p.b); i++ {
		switch p.b[i] {
		case '\\':
			if i+1 < len(p.b) && (p.b[i+1] == '"' || p.b[i+1] == '\\') {
				i++
			}
		case '"':
			p.line += bytes.Count(p.b[p.i:i], []byte{'\n'})
			p.i = i + 1
			return nil
		}
	}
	return errors.New("unbalanced quotes")
}

// scalar checks a value without quotes: a float, an integer with i, an
// unsigned one with u, or a truth.
func scalar(s string) error {
	switch s {
	case "":
		return errors.New("missing field value")
	case "t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE":
		return nil
	}
	var err error
	switch body := s[:len(s)-1]; s[len(s)-1] {
	case 'i':
		_, err = strconv.ParseInt(body, 10, 64)
	case 'u':
		_, err = strconv.ParseUint(body, 10, 64)
	default:
		err = float(s)
	}
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("number out of range")
	}
	if err != nil {
		return errors.New("invalid number, or a string without quotes")
	}
	return nil
}

// float takes decimal notation alone: neither hexadecimal nor infinite.
func float(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return strconv.ErrSyntax
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err
}

// timestamp reads the rest of the line.
func (p *parser) timestamp() error {
	from := p.i
	for p.i < len(p.b) && !blank(p.b[p.i]) {
		p.i++
	}
	at, err := strconv.ParseInt(string(p.b[from:p.i]), 10, 64)
	if err != nil {
		return errors.New("bad timestamp")
	}
	if at > math.MaxInt64/p.unit || at < math.MinInt64/p.unit {
		return errors.New("time outside range")
	}
	p.spaces()
	if !p.ended() {
		return errors.New("text behind the timestamp")
	}
	return nil
}

// word reads up to the next delimiter that has no backslash before it: comma,
// blank and, in keys and tags, the equals sign.
func (p *parser) word(equals bool) []byte {
	from := p.i
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == '\\' && p.i+1 < len(p.b) && p.b[p.i+1] != '\n':
			p.i++
		case c == ',' || blank(c) || equals && c == '=':
			return p.b[from:p.i]
		}
	}
	p.i = min(p.i, len(p.b))
	return p.b[from:p.i]
}

// spaces passes over blanks inside the line, and reports whether there were any.
func (p *parser) spaces() bool {
	from := p.i
	for p.at(' ') || p.at('\t') || p.at('\r') {
		p.i++
	}
	return p.i > from
}

func (p *parser) at(c byte) bool { return p.i < len(p.b) && p.b[p.i] == c }

// ended reports whether the line is read.
func (p *parser) ended() bool { return p.i == len(p.b) || p.b[p.i] == '\n' }

// blank reports whether a byte ends a word. A tab does not, as in Influx.
func blank(c byte) bool { return c == ' ' || c == '\r' || c == '\n' }

// unescape takes the backslashes before commas, blanks and equals signs away.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && (b[i+1] == ',' || b[i+1] == ' ' || b[i+1] == '=') {
			i++
		}
		out = append(out, b[i])
	}
	return string(out)
}
