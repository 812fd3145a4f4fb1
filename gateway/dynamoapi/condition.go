package dynamoapi

import (
	"bytes"
	"slices"
	"strings"
)

// condition says whether an item is as wanted; nil is no item.
type condition func(item) bool

// operand is a value in a condition, if it is there.
type operand func(item) (value, bool)

// condition reads a whole expression; "" is always true.
func (n names) condition(kind, text string) (condition, error) {
	if text == "" {
		return func(item) bool { return true }, nil
	}
	p, err := n.parse(kind, text)
	if err != nil {
		return nil, err
	}
	c, err := p.or()
	if err == nil && p.token != "" {
		err = p.syntax()
	}
	return c, err
}

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.take("OR") {
		a, b := left, condition(nil)
		b, err = p.and()
		left = func(it item) bool { return a(it) || b(it) }
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.not()
	for err == nil && p.take("AND") {
		a, b := left, condition(nil)
		b, err = p.not()
		left = func(it item) bool { return a(it) && b(it) }
	}
	return left, err
}

func (p *parser) not() (condition, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.take("NOT") {
		c, err := p.not()
		return func(it item) bool { return !c(it) }, err
	}
	if p.take("(") {
		c, err := p.or()
		if err == nil {
			err = p.want(")")
		}
		return c, err
	}
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	switch name := strings.ToLower(p.token); name {
	case "attribute_exists", "attribute_not_exists":
		if strings.HasPrefix(strings.TrimLeft(p.left, " "), "(") {
			return p.exists(name == "attribute_exists")
		}
	case "attribute_type", "begins_with", "contains":
		if strings.HasPrefix(strings.TrimLeft(p.left, " "), "(") {
			return p.function(name)
		}
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch sign := strings.ToUpper(p.token); sign {
	case "=", "<>", "<", "<=", ">", ">=":
		if err := p.next(); err != nil {
			return nil, err
		}
		right, err := p.operand()
		return compared(left, sign, right), err
	case "BETWEEN":
		return p.between(left)
	case "IN":
		return p.in(left)
	}
	return nil, p.syntax()
}

func (p *parser) exists(want bool) (condition, error) {
	to, err := p.argument()
	if err == nil {
		err = p.want(")")
	}
	return func(it item) bool { _, ok := to.of(it); return ok == want }, err
}

// argument reads a function's name, the bracket and the path behind it.
func (p *parser) argument() (path, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.want("("); err != nil {
		return nil, err
	}
	return p.path()
}

// function reads attribute_type, begins_with or contains.
func (p *parser) function(name string) (condition, error) {
	to, err := p.argument()
	if err != nil {
		return nil, err
	}
	if err := p.want(","); err != nil {
		return nil, err
	}
	other, err := p.operand()
	if err == nil {
		err = p.want(")")
	}
	return func(it item) bool {
		v, ok := to.of(it)
		o, given := other(it)
		return ok && given && applies(name, v, o)
	}, err
}

// applies is a function's answer.
func applies(name string, v, o value) bool {
	switch name {
	case "attribute_type":
		return o.text == v.kind
	case "begins_with":
		return v.kind == o.kind && strings.HasPrefix(v.text, o.text) && bytes.HasPrefix(v.bytes, o.bytes)
	}
	switch v.kind {
	case "S":
		return o.kind == "S" && strings.Contains(v.text, o.text)
	case "B":
		return o.kind == "B" && bytes.Contains(v.bytes, o.bytes)
	case "SS", "NS":
		return o.kind == v.kind[:1] && slices.Contains(v.set, o.text)
	case "BS":
		return o.kind == "B" && slices.Contains(v.set, string(o.bytes))
	}
	return slices.ContainsFunc(v.list, o.equal)
}

func (p *parser) between(left operand) (condition, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.want("AND"); err != nil {
		return nil, err
	}
	high, err := p.operand()
	from, to := compared(left, ">=", low), compared(left, "<=", high)
	return func(it item) bool { return from(it) && to(it) }, err
}

func (p *parser) in(left operand) (condition, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.want("("); err != nil {
		return nil, err
	}
	var all []condition
	for {
		one, err := p.operand()
		if err != nil {
			return nil, err
		}
		if all = append(all, compared(left, "=", one)); len(all) > 100 {
			return nil, p.bad("the IN operator has too many operands")
		}
		if !p.take(",") {
			break
		}
	}
	return func(it item) bool {
		return slices.ContainsFunc(all, func(c condition) bool { return c(it) })
	}, p.want(")")
}

// operand reads a value, a path or the size of one.
func (p *parser) operand() (operand, error) {
	if strings.HasPrefix(p.token, ":") {
		v, err := p.value()
		return func(item) (value, bool) { return v, true }, err
	}
	if strings.EqualFold(p.token, "size") && strings.HasPrefix(strings.TrimLeft(p.left, " "), "(") {
		to, err := p.argument()
		if err == nil {
			err = p.want(")")
		}
		return func(it item) (value, bool) {
			v, ok := to.of(it)
			return count(v.size()), ok
		}, err
	}
	to, err := p.path()
	return to.of, err
}

// compared is left sign right; what is not there equals nothing.
func compared(left operand, sign string, right operand) condition {
	return func(it item) bool {
		a, there := left(it)
		b, here := right(it)
		if !there || !here {
			return sign == "<>" && there != here
		}
		return relates(a, sign, b)
	}
}

func relates(a value, sign string, b value) bool {
	switch sign {
	case "=":
		return a.equal(b)
	case "<>":
		return !a.equal(b)
	}
	order, ok := a.compare(b)
	switch sign {
	case "<":
		return ok && order < 0
	case "<=":
		return ok && order <= 0
	case ">":
		return ok && order > 0
	}
	return ok && order >= 0
}
