package predicate

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// The largest condition.
const (
	maxText  = 16 << 10
	maxDepth = 100
)

// parser is a recursive descent; or binds weaker than and, and weaker than not.
type parser struct {
	lexer lexer
	token token
	depth int
}

func (p *parser) advance() (err error) {
	p.token, err = p.lexer.next()
	return err
}

func (p *parser) whole() (node, error) {
	if len(p.lexer.text) > maxText {
		return nil, errorAt(maxText, "the condition is longer than %d bytes", maxText)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token.kind != end {
		return nil, errorAt(p.token.at, "%v follows where and, or or the end should", p.token)
	}
	return n, nil
}

// take advances when the token is the keyword or symbol.
func (p *parser) take(words ...string) (bool, error) {
	for _, w := range words {
		if p.token.is(w) || p.token.kind == symbol && p.token.text == w {
			return true, p.advance()
		}
	}
	return false, nil
}

func (p *parser) or() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errorAt(p.token.at, "more than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	var all anyOf
	for {
		n, err := p.and()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if more, err := p.take("or", "||"); err != nil || !more {
			return all.simple(), err
		}
	}
}

func (p *parser) and() (node, error) {
	var all allOf
	for {
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if more, err := p.take("and", "&&"); err != nil || !more {
			return all.simple(), err
		}
	}
}

func (p *parser) not() (node, error) {
	negate := false
	for {
		again, err := p.take("not", "!")
		if err != nil {
			return nil, err
		}
		if !again {
			break
		}
		negate = !negate
	}
	n, err := p.term()
	if err == nil && negate {
		return negation{n}, nil
	}
	return n, err
}

func (p *parser) term() (node, error) {
	if open, err := p.take("("); err != nil {
		return nil, err
	} else if open {
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	if there, err := p.take("exists"); err != nil {
		return nil, err
	} else if there {
		return p.existence()
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.relation(left)
}

func (p *parser) expect(s string) error {
	if got, err := p.take(s); err != nil || got {
		return err
	}
	return errorAt(p.token.at, "%q is expected, not %v", s, p.token)
}

// existence reads the path of exists, in parentheses or without.
func (p *parser) existence() (node, error) {
	open, err := p.take("(")
	if err != nil {
		return nil, err
	}
	o, err := p.operand()
	if err != nil {
		return nil, err
	}
	if o.path == "" {
		return nil, errorAt(p.token.at, "exists is about a path")
	}
	if open {
		return existence{o.path}, p.expect(")")
	}
	return existence{o.path}, nil
}

func (p *parser) relation(left operand) (node, error) {
	negate, err := p.take("not")
	if err != nil {
		return nil, err
	}
	operator := p.token
	if err := p.advance(); err != nil {
		return nil, err
	}
	var n node
	switch {
	case operator.is("in"):
		n, err = p.membership(left)
	case operator.is("like"):
		n, err = p.likeness(left)
	case negate:
		return nil, errorAt(operator.at, "in or like is expected after not, not %v", operator)
	default:
		n, err = p.comparison(left, operator)
	}
	if err == nil && negate {
		return negation{n}, nil
	}
	return n, err
}

func (p *parser) comparison(left operand, operator token) (node, error) {
	c := comparison{left: left}
	switch operator.text {
	case "==", "=":
		c.wanted = [3]bool{equal: true}
	case "!=", "<>":
		c.wanted, c.negate = [3]bool{equal: true}, true
	case "<":
		c.wanted = [3]bool{less: true}
	case "<=":
		c.wanted = [3]bool{less: true, equal: true}
	case ">":
		c.wanted = [3]bool{greater: true}
	case ">=":
		c.wanted = [3]bool{greater: true, equal: true}
	}
	if operator.kind != symbol || c.wanted == [3]bool{} {
		return nil, errorAt(operator.at, "a comparison, in or like is expected, not %v", operator)
	}
	var err error
	c.right, err = p.operand()
	return c, err
}

func (p *parser) membership(left operand) (node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	in := membership{left: left}
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		in.among = append(in.among, o)
		if more, err := p.take(","); err != nil {
			return nil, err
		} else if !more {
			return in, p.expect(")")
		}
	}
}

func (p *parser) likeness(left operand) (node, error) {
	if p.token.kind != text {
		return nil, errorAt(p.token.at, "like is followed by a string, not %v", p.token)
	}
	pattern := p.token.text
	return likeness{left, compilePattern(pattern)}, p.advance()
}

// operand reads a path or a literal.
func (p *parser) operand() (operand, error) {
	t := p.token
	var o operand
	switch {
	case t.kind == text:
		o.literal = gjson.Result{Type: gjson.String, Str: t.text}
	case t.kind == number:
		n, err := strconv.ParseFloat(t.text, 64)
		if err != nil || !gjson.Valid(t.text) {
			return o, errorAt(t.at, "%s is not a number", t.text)
		}
		o.literal = gjson.Result{Type: gjson.Number, Num: n, Raw: t.text}
	case t.is("true"):
		o.literal = gjson.Result{Type: gjson.True}
	case t.is("false"):
		o.literal = gjson.Result{Type: gjson.False}
	case t.is("null"):
		o.literal = gjson.Result{Type: gjson.Null}
	case t.kind == word && t.text == "$key":
		o.key = true
	case t.kind == word && t.text[0] == '$':
		return o, errorAt(t.at, "%s is unknown; $key is known", t.text)
	case t.kind == word || t.kind == path:
		if err := checkPath(t); err != nil {
			return o, err
		}
		o.path = t.text
	default:
		return o, errorAt(t.at, "a path or a value is expected, not %v", t)
	}
	return o, p.advance()
}

// keywords cannot be paths unless they are written between backquotes.
var keywords = [...]string{"and", "or", "not", "in", "like", "exists"}

// checkPath allows what gjson does but modifiers, pipes and documents made of
// several paths: those cost more than a look.
func checkPath(t token) error {
	if t.kind == word {
		for _, k := range keywords {
			if t.is(k) {
				return errorAt(t.at, "a path or a value is expected, not %v", t)
			}
		}
	}
	if t.text == "" || strings.HasSuffix(t.text, ".") || strings.HasSuffix(t.text, `\`) {
		return errorAt(t.at, "the path %v is not complete", t)
	}
	for i := 0; i < len(t.text); i++ {
		switch c := t.text[i]; {
		case c == '\\':
			i++
		case strings.IndexByte("@|!{[(*?", c) >= 0:
			return errorAt(t.at, "%c has no meaning in the path %v; write \\%c for the character", c, t, c)
		}
	}
	return nil
}
