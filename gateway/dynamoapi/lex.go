package dynamoapi

import (
	"strings"

	"headgate/gateway/awsapi"
)

// maxExpression is the longest expression, in bytes.
const maxExpression = 4 << 10

// names stand in expressions: #name for an attribute, :name for a value.
type names struct {
	Names  map[string]string `json:"ExpressionAttributeNames"`
	Values map[string]value  `json:"ExpressionAttributeValues"`
}

// parser takes an expression apart, token by token.
type parser struct {
	names
	kind  string // of expression, for errors
	left  string
	token string // the one in front; "" at the end
	depth int
}

func (n names) parse(kind, text string) (*parser, error) {
	p := &parser{names: n, kind: kind, left: text}
	if len(text) > maxExpression {
		return nil, p.bad("the expression is too long")
	}
	return p, p.next()
}

func (p *parser) bad(why string) error { return awsapi.Invalid("Invalid %s: %s", p.kind, why) }

func (p *parser) syntax() error {
	if p.token == "" {
		return p.bad("Syntax error; unexpected end of the expression")
	}
	return p.bad("Syntax error; token: \"" + p.token + "\", near: \"" + p.token + p.left[:min(len(p.left), 20)] + "\"")
}

func isWord(c byte) bool {
	return c == '_' || c == '#' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// next moves to the next token.
func (p *parser) next() error {
	p.left = strings.TrimLeft(p.left, " \t\r\n")
	if p.left == "" {
		p.token = ""
		return nil
	}
	n := 1
	switch c := p.left[0]; {
	case isWord(c):
		for n < len(p.left) && (isWord(p.left[n]) || p.left[n] == '-' && (c == '#' || c == ':')) {
			n++
		}
	case strings.HasPrefix(p.left, "<>") || strings.HasPrefix(p.left, "<=") || strings.HasPrefix(p.left, ">="):
		n = 2
	case !strings.ContainsRune("()[],.=<>+-", rune(c)):
		p.token, p.left = p.left[:1], p.left[1:]
		return p.syntax()
	}
	p.token, p.left = p.left[:n], p.left[n:]
	return nil
}

// take moves on if the token is that one; words in capitals are taken in any case.
func (p *parser) take(token string) bool {
	if !strings.EqualFold(p.token, token) {
		return false
	}
	return p.next() == nil
}

func (p *parser) want(token string) error {
	if !p.take(token) {
		return p.syntax()
	}
	return nil
}

// nest counts brackets, so that nobody's expression is too deep for our stack.
func (p *parser) nest() error {
	if p.depth++; p.depth > 100 {
		return p.bad("the expression is nested too deeply")
	}
	return nil
}

// value is the value that the token :name stands for.
func (p *parser) value() (value, error) {
	v, ok := p.Values[p.token]
	if !ok {
		return v, p.bad("An expression attribute value used in expression is not defined; attribute value: " + p.token)
	}
	return v, p.next()
}
