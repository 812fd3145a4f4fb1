package predicate

import "unicode/utf8"

// pattern is one of like: % stands for any characters, _ for one, and \ takes
// the next as it is.
type pattern []element

type element struct {
	char rune
	one  bool // _
	any  bool // %
}

func compilePattern(text string) pattern {
	var p pattern
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			p, escaped = append(p, element{char: r}), false
		case r == '\\':
			escaped = true
		case r == '%' && len(p) > 0 && p[len(p)-1].any:
		case r == '%':
			p = append(p, element{any: true})
		case r == '_':
			p = append(p, element{one: true})
		default:
			p = append(p, element{char: r})
		}
	}
	if escaped {
		p = append(p, element{char: '\\'})
	}
	return p
}

// match goes back to the last % only, so its time is at most the product of
// both lengths.
func (p pattern) match(s string) bool {
	at, pos, star, retry := 0, 0, -1, 0
	for pos < len(s) {
		r, size := utf8.DecodeRuneInString(s[pos:])
		switch {
		case at < len(p) && p[at].any:
			star, retry = at, pos
			at++
		case at < len(p) && (p[at].one || p[at].char == r):
			at, pos = at+1, pos+size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(s[retry:])
			retry += size
			at, pos = star+1, retry
		default:
			return false
		}
	}
	for at < len(p) && p[at].any {
		at++
	}
	return at == len(p)
}
