package predicate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	end kind = iota
	word
	path // between backquotes
	text
	number
	symbol
)

// token is one word of a condition, and where it begins.
type token struct {
	kind kind
	text string
	at   int
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether the token is the keyword, in upper or lower case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

type lexer struct {
	text string
	pos  int
}

// symbols are tried in this order.
var symbols = [...]string{"==", "!=", "<>", "<=", ">=", "&&", "||", "<", ">", "=", "(", ")", ",", "!"}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	if start == len(l.text) {
		return token{end, "", start}, nil
	}
	c := l.text[start]
	switch {
	case c == '"' || c == '\'':
		return l.quoted(c)
	case c == '`':
		stop := strings.IndexByte(l.text[start+1:], '`')
		if stop < 0 {
			return token{}, errorAt(start, "a path begins with ` and does not end")
		}
		l.pos = start + stop + 2
		return token{path, l.text[start+1 : start+1+stop], start}, nil
	case isDigit(c) || c == '-':
		l.pos++
		for l.pos < len(l.text) && (isDigit(l.text[l.pos]) || strings.IndexByte(".eE", l.text[l.pos]) >= 0 || l.signed()) {
			l.pos++
		}
		return token{number, l.text[start:l.pos], start}, nil
	case isWord(c):
		for l.pos < len(l.text) && (isWord(l.text[l.pos]) || isDigit(l.text[l.pos]) || strings.IndexByte(".-#", l.text[l.pos]) >= 0) {
			l.pos++
		}
		return token{word, l.text[start:l.pos], start}, nil
	}
	for _, s := range symbols {
		if strings.HasPrefix(l.text[start:], s) {
			l.pos += len(s)
			return token{symbol, s, start}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.text[start:])
	return token{}, errorAt(start, "%q is not understood; write a path with other characters as `path`", r)
}

// signed reports whether a sign belongs to an exponent.
func (l *lexer) signed() bool {
	return strings.IndexByte("+-", l.text[l.pos]) >= 0 && strings.IndexByte("eE", l.text[l.pos-1]) >= 0
}

// quoted reads a string: a backslash takes the next character as it is, but
// \n and \t.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.pos
	var b strings.Builder
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch c := l.text[l.pos]; {
		case c == quote:
			l.pos++
			return token{text, b.String(), start}, nil
		case c == '\\' && l.pos+1 < len(l.text):
			l.pos++
			switch l.text[l.pos] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(l.text[l.pos])
			}
		default:
			b.WriteByte(c)
		}
	}
	return token{}, errorAt(start, "a string begins with %c and does not end", quote)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

func errorAt(at int, format string, args ...any) error {
	return fmt.Errorf("at character %d: %s", at+1, fmt.Sprintf(format, args...))
}
