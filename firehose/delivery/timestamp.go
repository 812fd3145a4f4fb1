package delivery

import (
	"strconv"
	"strings"
	"time"
)

// pattern is a parsed Java DateTimeFormatter pattern: the letters
// y u M L d D H k K h m s S a E X x Z and 'quoted text'. Names are English,
// the zone is UTC. Other letters are refused by name, because a prefix that
// silently differs from what AWS makes would scatter objects.
type pattern []field

// field is one run of a letter, or with letter zero a literal.
type field struct {
	letter byte
	count  int
	text   string
}

// widest says up to how many repetitions of a letter are understood.
var widest = map[byte]int{'y': 4, 'u': 4, 'M': 4, 'L': 4, 'd': 2, 'D': 3, 'H': 2, 'k': 2, 'K': 2, 'h': 2, 'm': 2, 's': 2,
	'S': 9, 'a': 1, 'E': 4, 'X': 3, 'x': 3, 'Z': 3}

func parsePattern(text string) (pattern, error) {
	if text == "" {
		return nil, invalid("!{timestamp:} has no pattern, yyyy/MM/dd/HH/ is one")
	}
	var p pattern
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\'':
			lit, n, err := quoted(text[i:])
			if err != nil {
				return nil, err
			}
			p = append(p, field{text: lit})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], string(c)))
			most, known := widest[c]
			if !known {
				return nil, invalid("timestamp letter %q in %q is not understood; y u M L d D H k K h m s S a E X x Z are, and 'text' in quotes", string(c), text)
			}
			if n > most || (c == 'y' || c == 'u') && n == 3 {
				return nil, invalid("timestamp letters %q in %q: %d of %q are not understood", text[i:i+n], text, n, string(c))
			}
			p = append(p, field{letter: c, count: n})
			i += n
		case strings.IndexByte("{}[]#", c) >= 0:
			return nil, invalid("timestamp pattern %q: %q is reserved, quote it", text, string(c))
		default:
			p = append(p, field{text: string(c)})
			i++
		}
	}
	return p, nil
}

// quoted reads 'text' at the start of s; two quotes stand for one.
func quoted(s string) (text string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, invalid("timestamp pattern: %s has no closing quote", s)
}

func (p pattern) appendTo(b []byte, t time.Time) []byte {
	for _, f := range p {
		b = f.appendTo(b, t)
	}
	return b
}

func (f field) appendTo(b []byte, t time.Time) []byte {
	switch f.letter {
	case 0:
		return append(b, f.text...)
	case 'M', 'L':
		return f.month(b, t.Month())
	case 'E':
		return f.weekday(b, t.Weekday())
	case 'S':
		digits := padded(nil, t.Nanosecond(), 9)
		return append(b, digits[:f.count]...)
	case 'a':
		return t.AppendFormat(b, "PM")
	case 'X':
		return append(b, 'Z')
	case 'x', 'Z':
		return f.offset(b)
	default:
		return padded(b, f.number(t), f.count)
	}
}

// number is the value of the purely numeric letters.
func (f field) number(t time.Time) int {
	switch f.letter {
	case 'y', 'u':
		if f.count == 2 {
			return t.Year() % 100
		}
		return t.Year()
	case 'd':
		return t.Day()
	case 'D':
		return t.YearDay()
	case 'H':
		return t.Hour()
	case 'k':
		return (t.Hour()+23)%24 + 1
	case 'K':
		return t.Hour() % 12
	case 'h':
		return (t.Hour()+11)%12 + 1
	case 'm':
		return t.Minute()
	default: // 's'
		return t.Second()
	}
}

func (f field) month(b []byte, m time.Month) []byte {
	switch f.count {
	case 3:
		return append(b, m.String()[:3]...)
	case 4:
		return append(b, m.String()...)
	}
	return padded(b, int(m), f.count)
}

func (f field) weekday(b []byte, d time.Weekday) []byte {
	if f.count == 4 {
		return append(b, d.String()...)
	}
	return append(b, d.String()[:3]...)
}

// offset is the zone, always UTC, in the forms of x and Z.
func (f field) offset(b []byte) []byte {
	switch {
	case f.letter == 'x' && f.count == 1:
		return append(b, "+00"...)
	case f.letter == 'x' && f.count == 3:
		return append(b, "+00:00"...)
	}
	return append(b, "+0000"...)
}

func padded(b []byte, n, width int) []byte {
	digits := strconv.Itoa(n)
	for range width - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}
