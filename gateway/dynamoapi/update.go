package dynamoapi

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"headgate/gateway/awsapi"
)

// update makes a changed copy of an item.
type update func(old, now item) (item, error)

func count(n int) value { return value{kind: "N", text: strconv.Itoa(n)} }

// update reads an UpdateExpression.
func (n names) update(text string) (update, error) {
	p, err := n.parse("UpdateExpression", text)
	if err != nil {
		return nil, err
	}
	var all []update
	for p.token != "" {
		clause := strings.ToUpper(p.token)
		if err := p.next(); err != nil {
			return nil, err
		}
		for {
			one, err := p.action(clause)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
			if !p.take(",") {
				break
			}
		}
	}
	return func(old, now item) (_ item, err error) {
		for _, one := range all {
			if now, err = one(old, now); err != nil {
				return nil, err
			}
		}
		return now, nil
	}, nil
}

func (p *parser) action(clause string) (update, error) {
	switch clause {
	case "SET", "REMOVE", "ADD", "DELETE":
	default:
		return nil, p.syntax()
	}
	to, err := p.path()
	if err != nil {
		return nil, err
	}
	switch clause {
	case "REMOVE":
		return func(_, now item) (item, error) { return assign(now, to, nil) }, nil
	case "SET":
		if err := p.want("="); err != nil {
			return nil, err
		}
		v, err := p.sum()
		return func(old, now item) (item, error) {
			made, ok := v(old)
			if !ok {
				return nil, awsapi.Invalid("The provided expression refers to an attribute that does not exist in the item, or has another type than is wanted")
			}
			return assign(now, to, &made)
		}, err
	}
	v, err := p.value()
	add := clause == "ADD"
	return func(_, now item) (item, error) { return combine(now, to, v, add) }, err
}

func assign(it item, to path, v *value) (item, error) {
	next, ok := to.set(value{kind: "M", inner: it}, v)
	if !ok {
		if v == nil {
			return it, nil
		}
		return nil, awsapi.Invalid("The document path provided in the update expression is invalid for update")
	}
	return next.inner, nil
}

// sum reads an operand, or two that are added or subtracted.
func (p *parser) sum() (operand, error) {
	left, err := p.term()
	if err != nil || p.token != "+" && p.token != "-" {
		return left, err
	}
	minus := p.token == "-"
	if err := p.next(); err != nil {
		return nil, err
	}
	right, err := p.term()
	return func(it item) (value, bool) {
		a, ok := left(it)
		b, also := right(it)
		if !ok || !also || a.kind != "N" || b.kind != "N" {
			return value{}, false
		}
		return added(a, b, minus)
	}, err
}

func added(a, b value, minus bool) (value, bool) {
	n := new(big.Rat)
	if minus {
		n.Sub(number(a.text), number(b.text))
	} else {
		n.Add(number(a.text), number(b.text))
	}
	text, err := normal(decimal(n))
	return value{kind: "N", text: text}, err == nil
}

// term reads an operand, if_not_exists or list_append.
func (p *parser) term() (operand, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	name := strings.ToLower(p.token)
	if name != "if_not_exists" && name != "list_append" || !strings.HasPrefix(strings.TrimLeft(p.left, " "), "(") {
		return p.operand()
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.want("("); err != nil {
		return nil, err
	}
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	if err := p.want(","); err != nil {
		return nil, err
	}
	second, err := p.sum()
	if err == nil {
		err = p.want(")")
	}
	if name == "if_not_exists" {
		return func(it item) (value, bool) {
			if v, ok := first(it); ok {
				return v, true
			}
			return second(it)
		}, err
	}
	return func(it item) (value, bool) {
		a, ok := first(it)
		b, also := second(it)
		return value{kind: "L", list: slices.Concat(a.list, b.list)}, ok && also && a.kind == "L" && b.kind == "L"
	}, err
}

// combine adds a number or elements of a set, or takes elements away.
func combine(it item, to path, v value, add bool) (item, error) {
	now, there := to.of(it)
	mismatch := awsapi.Invalid("An operand in the update expression has an incorrect data type")
	switch {
	case v.kind == "N" && add:
		if !there {
			now = count(0)
		}
		sum, ok := added(now, v, false)
		if now.kind != "N" || !ok {
			return nil, mismatch
		}
		return assign(it, to, &sum)
	case v.set == nil || there && now.kind != v.kind:
		return nil, mismatch
	case add:
		v.set = slices.Compact(slices.Sorted(slices.Values(slices.Concat(now.set, v.set))))
		return assign(it, to, &v)
	case !there:
		return it, nil
	}
	now.set = slices.DeleteFunc(slices.Clone(now.set), func(s string) bool { return slices.Contains(v.set, s) })
	if len(now.set) == 0 {
		return assign(it, to, nil)
	}
	return assign(it, to, &now)
}
