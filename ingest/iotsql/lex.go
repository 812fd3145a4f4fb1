package iotsql

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"headgate/shardlog"
)

// kind is what a token is.
type kind uint8

const (
	end    kind = iota
	word        // a name or a keyword
	number      // a number
	text        // a text in quotes, without them
	sign        // an operator or a bracket
)

// token is one piece of a statement.
type token struct {
	kind kind
	text string
	at   int // where it begins, in bytes
}

// is reports whether the token is that sign, or that keyword in any case.
func (t token) is(what string) bool {
	return t.kind == sign && t.text == what || t.kind == word && strings.EqualFold(t.text, what)
}

// String is the token as messages show it.
func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return "\"" + t.text + "\""
}

// fault is an error of the statement's text. at counts bytes from 0.
func fault(at int, format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read sql", "at %d: "+format, append([]any{at + 1}, args...)...)
}

// lex cuts a statement into tokens; the last is the end.
func lex(sql string) (all []token, err error) {
	if len(sql) > MaxSQL {
		return nil, fault(0, "%d bytes, %d are allowed", len(sql), MaxSQL)
	}
	if !utf8.ValidString(sql) {
		return nil, fault(0, "it is not UTF-8")
	}
	for at := 0; ; {
		at += len(sql[at:]) - len(strings.TrimLeftFunc(sql[at:], unicode.IsSpace))
		if at == len(sql) {
			return append(all, token{kind: end, at: at}), nil
		}
		t, size, err := next(sql, at)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		at += size
	}
}

// next reads the token that begins at a place, and how many bytes it takes.
func next(sql string, at int) (t token, size int, err error) {
	left := sql[at:]
	first, _ := utf8.DecodeRuneInString(left)
	switch {
	case first == '\'' || first == '"':
		return quoted(sql, at)
	case first >= '0' && first <= '9':
		size = numberSize(left)
		return token{number, left[:size], at}, size, nil
	case first == '_' || unicode.IsLetter(first):
		size = len(left) - len(strings.TrimLeftFunc(left, isWord))
		return token{word, left[:size], at}, size, nil
	}
	for _, s := range []string{"<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}", ",", ".", ":"} {
		if strings.HasPrefix(left, s) {
			return token{sign, s, at}, len(s), nil
		}
	}
	return t, 0, fault(at, "%q means nothing here", first)
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// quoted reads a text in quotes of either kind; one within it is doubled.
func quoted(sql string, at int) (t token, size int, err error) {
	quote, left := sql[at:at+1], sql[at+1:]
	var b strings.Builder
	for {
		inside, rest, closed := strings.Cut(left, quote)
		if !closed {
			return t, 0, fault(at, "the text has no closing %s", quote)
		}
		b.WriteString(inside)
		if !strings.HasPrefix(rest, quote) {
			return token{text, b.String(), at}, len(sql) - at - len(rest), nil
		}
		b.WriteString(quote)
		left = rest[1:]
	}
}

// numberSize is how many bytes a number takes that s begins with.
func numberSize(s string) int {
	digits := func(from int) int {
		for from < len(s) && s[from] >= '0' && s[from] <= '9' {
			from++
		}
		return from
	}
	n := digits(0)
	if more := n + 1; more < len(s) && s[n] == '.' && digits(more) > more {
		n = digits(more)
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		from := n + 1
		if from < len(s) && (s[from] == '-' || s[from] == '+') {
			from++
		}
		if to := digits(from); to > from {
			return to
		}
	}
	return n
}
