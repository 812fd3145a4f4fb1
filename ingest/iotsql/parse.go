package iotsql

import (
	"slices"
	"strings"
)

// expression is a compiled expression. It answers the same for the same scope.
type expression func(s scope) value

// scope is what names stand for: the payload, or one element of a nested
// SELECT.
type scope struct {
	run   *run
	here  value
	alias string // of a nested SELECT's element; empty: it has none
}

// node is an expression with what its place in the statement asks of it.
type node struct {
	eval  expression
	name  string // by which SELECT gives it out; empty: it needs AS
	fixed *value // what it always is; nil: it depends
	star  bool   // it is *
}

// parser reads one statement or expression.
type parser struct {
	tokens []token
	depth  int
	nested int  // SELECTs around this place, less the statement's own
	names  bool // the payload's fields are named
}

// keywords are no names of fields. VALUE is one only where nothing else is meant.
var keywords = []string{"select", "from", "where", "as", "and", "or", "not", "in", "exists", "case", "when", "then", "else", "end", "true", "false", "null"}

func isKeyword(t token) bool {
	return t.kind == word && slices.Contains(keywords, strings.ToLower(t.text))
}

func (p *parser) peek() token { return p.tokens[0] }

// after is a token behind the next one.
func (p *parser) after(n int) token { return p.tokens[min(n, len(p.tokens)-1)] }

// take takes the next token if it is that.
func (p *parser) take(what string) bool {
	if !p.peek().is(what) {
		return false
	}
	p.drop()
	return true
}

// drop passes over a token; the end stays.
func (p *parser) drop() token {
	t := p.tokens[0]
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

// want takes a token that has to be there.
func (p *parser) want(what string) error {
	if p.take(what) {
		return nil
	}
	return p.unexpected(strings.ToUpper(what))
}

func (p *parser) unexpected(wanted string) error {
	return fault(p.peek().at, "want %s, there is %v", wanted, p.peek())
}

// deeper counts expressions within one another.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return fault(p.peek().at, "expressions lie more than %d deep within one another", maxDepth)
	}
	return nil
}

// expression reads OR and what binds closer.
func (p *parser) expression() (n node, err error) {
	if err := p.deeper(); err != nil {
		return n, err
	}
	defer func() { p.depth-- }()
	return p.chain(p.and, "or")
}

func (p *parser) and() (node, error) { return p.chain(p.not, "and") }

func (p *parser) not() (n node, err error) {
	if !p.take("not") {
		return p.comparison()
	}
	if err := p.deeper(); err != nil {
		return n, err
	}
	defer func() { p.depth-- }()
	operand, err := p.not()
	return node{eval: func(s scope) value {
		yes, ok := operand.eval(s).bool()
		if !ok {
			return value{}
		}
		return boolOf(!yes)
	}}, err
}

// comparison reads what compares two values.
func (p *parser) comparison() (n node, err error) {
	if n, err = p.sum(); err != nil {
		return n, err
	}
	if p.take("in") {
		return p.in(n)
	}
	return p.rest(n, p.sum, "=", "<>", "<", "<=", ">", ">=")
}

func (p *parser) sum() (node, error)     { return p.chain(p.product, "+", "-") }
func (p *parser) product() (node, error) { return p.chain(p.unary, "*", "/", "%") }

// chain reads operands with operators of one strength between them.
func (p *parser) chain(operand func() (node, error), signs ...string) (node, error) {
	n, err := operand()
	if err != nil {
		return n, err
	}
	return p.rest(n, operand, signs...)
}

// rest reads the operators behind the first operand.
func (p *parser) rest(n node, operand func() (node, error), signs ...string) (node, error) {
	for {
		i := slices.IndexFunc(signs, func(s string) bool { return p.peek().is(s) })
		if i < 0 {
			return n, nil
		}
		if n.star {
			return n, fault(p.peek().at, "* stands alone")
		}
		p.drop()
		right, err := operand()
		if err != nil {
			return n, err
		}
		left, apply := n.eval, operators(signs[i])
		n = node{eval: func(s scope) value { return apply(s.run, left(s), right.eval(s)) }}
	}
}

// in reads the right side of IN: an array, or values in brackets.
func (p *parser) in(left node) (node, error) {
	var right node
	var err error
	if p.peek().is("(") && !p.after(1).is("select") {
		p.drop()
		right, err = p.array(")")
	} else {
		right, err = p.sum()
	}
	return node{eval: func(s scope) value { return within(s.run, left.eval(s), right.eval(s)) }}, err
}

func (p *parser) unary() (n node, err error) {
	at := p.peek()
	if !p.take("-") {
		return p.postfix()
	}
	if err := p.deeper(); err != nil {
		return n, err
	}
	defer func() { p.depth-- }()
	operand, err := p.unary()
	if err != nil || operand.star {
		return n, cmpError(err, fault(at.at, "* stands alone"))
	}
	negate := func(v value) value {
		d, ok := v.decimal()
		if !ok {
			return value{}
		}
		return numberOf(decimalOf(0).subtract(d))
	}
	if operand.fixed != nil {
		return constant(negate(*operand.fixed)), nil
	}
	return node{eval: func(s scope) value { return negate(operand.eval(s)) }}, nil
}

// cmpError is the first error that there is.
func cmpError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// constant is an expression that is always the same.
func constant(v value) node { return node{eval: func(scope) value { return v }, fixed: &v} }

// postfix reads a value with the paths behind it.
func (p *parser) postfix() (n node, err error) {
	if n, err = p.primary(); err != nil {
		return n, err
	}
	for {
		inner := n.eval
		switch {
		case p.take("."):
			t := p.drop()
			if t.kind != word {
				return n, fault(t.at, "want a field's name, there is %v", t)
			}
			name := strings.Clone(t.text)
			n = node{name: name, eval: func(s scope) value { return inner(s).get(name) }}
		case p.peek().is("[") && !n.star:
			p.drop()
			index, err := p.expression()
			if err == nil {
				err = p.want("]")
			}
			if err != nil {
				return n, err
			}
			n = node{eval: func(s scope) value { return pick(inner(s), index.eval(s)) }}
		default:
			return n, nil
		}
	}
}

// pick is what an index, or a name, leads to.
func pick(from, index value) value {
	switch {
	case from.sort == object && index.sort == str:
		return from.get(index.text)
	case from.sort == array || from.sort == str:
		if d, ok := index.decimal(); ok {
			return from.item(d.clamp(-1, 1<<30))
		}
	}
	return value{}
}

// primary reads a value.
func (p *parser) primary() (n node, err error) {
	t := p.peek()
	switch {
	case t.kind == number:
		p.drop()
		d, ok := parseDecimal(strings.ReplaceAll(t.text, "+", ""))
		if !ok {
			return n, fault(t.at, "%s is too large a number", t.text)
		}
		return constant(numberOf(d, true)), nil
	case t.kind == text:
		p.drop()
		return constant(textOf(strings.Clone(t.text))), nil
	case t.is("("):
		return p.brackets()
	case t.is("["):
		p.drop()
		return p.array("]")
	case t.is("{"):
		return p.object()
	case t.is("case"):
		return p.cases()
	case t.is("exists"):
		return p.exists()
	case t.is("true") || t.is("false"):
		p.drop()
		return constant(boolOf(t.is("true"))), nil
	case t.is("null"):
		p.drop()
		return constant(value{sort: null}), nil
	case t.kind == word && p.after(1).is("("):
		return p.call()
	case t.kind == word && !isKeyword(t):
		return p.field(), nil
	}
	return n, p.unexpected("a value")
}

// field reads the name of one of the payload's fields.
func (p *parser) field() node {
	name := strings.Clone(p.drop().text)
	if p.nested == 0 {
		p.names = true
	}
	return node{name: name, eval: func(s scope) value {
		if name == s.alias {
			return s.here
		}
		return s.here.get(name)
	}}
}

// brackets reads an expression, or a SELECT, in brackets.
func (p *parser) brackets() (n node, err error) {
	p.drop()
	if p.peek().is("select") {
		n, err = p.subquery()
	} else {
		n, err = p.expression()
	}
	if err == nil {
		err = p.want(")")
	}
	return n, err
}

// array reads the items of an array, its opening bracket being read.
func (p *parser) array(closing string) (n node, err error) {
	items, err := p.list(closing)
	return node{eval: func(s scope) value {
		v := value{sort: array}
		for _, item := range items {
			if one := item.eval(s); one.sort != undefined {
				v.items = append(v.items, one)
			}
		}
		s.run.spend(len(items))
		return v
	}}, err
}

// list reads expressions up to the closing bracket.
func (p *parser) list(closing string) (all []node, err error) {
	for !p.take(closing) {
		if len(all) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		one, err := p.expression()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// object reads an object.
func (p *parser) object() (n node, err error) {
	p.drop()
	var names []string
	var values []node
	for !p.take("}") {
		if len(names) > 0 {
			if err := p.want(","); err != nil {
				return n, err
			}
		}
		t := p.peek()
		if t.kind != text {
			return n, p.unexpected("a name in quotes")
		}
		p.drop()
		if err := p.want(":"); err != nil {
			return n, err
		}
		one, err := p.expression()
		if err != nil {
			return n, err
		}
		names, values = append(names, strings.Clone(t.text)), append(values, one)
	}
	return node{eval: func(s scope) value {
		v := value{sort: object}
		for i, one := range values {
			v.fields = append(v.fields, field{names[i], one.eval(s)})
		}
		s.run.spend(len(values))
		return v
	}}, nil
}
