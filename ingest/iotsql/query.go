package iotsql

import (
	"errors"
	"slices"
	"strings"
)

// query is a SELECT: the statement's own, or a nested one.
type query struct {
	value bool // SELECT VALUE: what is given out need not be an object
	items []item
	when  expression // WHERE; nil: all
}

// item is one expression between SELECT and FROM.
type item struct {
	eval  expression
	star  bool     // *: all that there is
	alias []string // AS; of * alone it may be missing
}

// selection reads what stands between SELECT and FROM.
func (p *parser) selection() (q query, err error) {
	if p.peek().is("value") && p.valueIsKeyword() {
		p.drop()
		q.value = true
	}
	for more := true; more; more = p.take(",") {
		one, err := p.item(q.value)
		if err != nil {
			return q, err
		}
		q.items = append(q.items, one)
	}
	if q.value && len(q.items) != 1 {
		return q, fault(p.peek().at, "SELECT VALUE gives out one value")
	}
	return q, nil
}

// valueIsKeyword tells VALUE from a field of that name: a value follows it.
func (p *parser) valueIsKeyword() bool {
	t := p.after(1)
	switch {
	case t.is("*"):
		t = p.after(2)
		return t.kind == end || t.is("from") || t.is("where") || t.is(",")
	case t.kind == word:
		return !isKeyword(t) || t.is("case") || t.is("not") || t.is("true") || t.is("false") || t.is("null") || t.is("exists")
	}
	return t.kind == number || t.kind == text || t.is("(") || t.is("[") || t.is("{")
}

func (p *parser) item(bare bool) (one item, err error) {
	at := p.peek().at
	if p.take("*") {
		one.star = true
	} else {
		n, err := p.expression()
		if err != nil {
			return one, err
		}
		if one.eval = n.eval; n.name != "" {
			one.alias = []string{n.name}
		}
	}
	if p.take("as") {
		if one.alias, err = p.path(); err != nil {
			return one, err
		}
	}
	if len(one.alias) == 0 && !one.star && !bare {
		return one, fault(at, "the value needs a name: put AS and a name behind it")
	}
	return one, nil
}

// path reads names with points between them.
func (p *parser) path() (all []string, err error) {
	for more := true; more; more = p.take(".") {
		t := p.drop()
		if t.kind != word && t.kind != text || t.is("from") {
			return nil, fault(t.at, "want a name, there is %v", t)
		}
		all = append(all, strings.Clone(t.text))
		if len(all) > maxDepth {
			return nil, fault(t.at, "the name has more than %d parts", maxDepth)
		}
	}
	return all, nil
}

// where reads WHERE, if it is there.
func (p *parser) where(q *query) error {
	if !p.take("where") {
		return nil
	}
	n, err := p.expression()
	q.when = n.eval
	return err
}

// passes reports whether WHERE is true.
func (q query) passes(s scope) bool {
	if q.when == nil {
		return true
	}
	yes, ok := q.when(s).bool()
	return ok && yes
}

// all reports whether it gives out what there is, as it is.
func (q query) all() bool {
	return len(q.items) == 1 && q.items[0].star && len(q.items[0].alias) == 0
}

var errNoObject = errors.New("* stands beside other values, and the payload is no JSON object")

// give is what SELECT gives out; whole is what * means.
func (q query) give(s scope, whole func() value) (value, error) {
	if q.value {
		if q.items[0].star {
			return whole(), nil
		}
		return q.items[0].eval(s), nil
	}
	out := value{sort: object}
	for _, one := range q.items {
		v := value{}
		if one.star {
			if v = whole(); v.sort != object && len(one.alias) == 0 {
				return out, errNoObject
			}
			if v.sort == raw {
				return out, errNoJSON
			}
		} else {
			v = one.eval(s)
		}
		if one.star && len(one.alias) == 0 {
			out = s.run.merge(out, v)
			continue
		}
		if v.sort != undefined {
			out = out.set(one.alias, v)
		}
	}
	return out, nil
}

// merge adds an object's fields to another's, in place of those of their names.
func (r *run) merge(v, more value) value {
	if len(v.fields) == 0 {
		return value{sort: object, fields: slices.Clone(more.fields)}
	}
	for _, f := range more.fields {
		if !r.spend(16 * len(v.fields)) {
			break
		}
		v = v.with(f.name, f.value)
	}
	return v
}

// set puts a value where a path leads, and makes the objects on the way.
func (v value) set(path []string, what value) value {
	if len(path) == 1 {
		return v.with(path[0], what)
	}
	inner := v.get(path[0])
	if inner.sort != object {
		inner = value{sort: object}
	}
	return v.with(path[0], inner.set(path[1:], what))
}

// subquery reads a nested SELECT: of an array it makes an array, of an object
// one value.
func (p *parser) subquery() (n node, err error) {
	if err := p.deeper(); err != nil {
		return n, err
	}
	defer func() { p.depth-- }()
	p.drop()
	p.nested++
	q, err := p.selection()
	p.nested--
	if err == nil {
		err = p.want("from")
	}
	if err != nil {
		return n, err
	}
	from, err := p.postfix()
	if err != nil {
		return n, err
	}
	alias := ""
	if p.take("as") {
		t := p.drop()
		if t.kind != word || isKeyword(t) {
			return n, fault(t.at, "want a name, there is %v", t)
		}
		alias = strings.Clone(t.text)
	}
	p.nested++
	err = p.where(&q)
	p.nested--
	return node{eval: func(s scope) value { return q.each(s, from.eval(s), alias) }}, err
}

// each applies a nested SELECT to what its FROM is.
func (q query) each(s scope, from value, alias string) value {
	one := func(v value) value {
		inner := scope{run: s.run, here: v, alias: alias}
		if !s.run.spend(16*(1+len(q.items))) || !q.passes(inner) {
			return value{}
		}
		if q.all() {
			return v
		}
		made, err := q.give(inner, func() value { return v })
		if err != nil {
			return value{}
		}
		return made
	}
	switch from.sort {
	case object:
		return one(from)
	case array:
		out := value{sort: array}
		for _, v := range from.items {
			if made := one(v); made.sort != undefined {
				out.items = append(out.items, made)
			}
		}
		return out
	}
	return value{}
}

// exists reads EXISTS and a nested SELECT.
func (p *parser) exists() (n node, err error) {
	p.drop()
	if !p.peek().is("(") || !p.after(1).is("select") {
		return n, p.unexpected("a SELECT in brackets")
	}
	inner, err := p.brackets()
	return node{eval: func(s scope) value {
		v := inner.eval(s)
		return boolOf(v.sort != undefined && (v.sort != array || len(v.items) > 0))
	}}, err
}
