package predicate

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// node is a condition or a part of one.
type node interface{ holds(d Document) bool }

type (
	anyOf     []node
	allOf     []node
	negation  struct{ of node }
	existence struct{ path string }
	likeness  struct {
		left    operand
		pattern pattern
	}
	membership struct {
		left  operand
		among []operand
	}
	comparison struct {
		left, right operand
		wanted      [3]bool // by order
		negate      bool
	}
)

func (a anyOf) simple() node {
	if len(a) == 1 {
		return a[0]
	}
	return a
}

func (a allOf) simple() node {
	if len(a) == 1 {
		return a[0]
	}
	return a
}

func (a anyOf) holds(d Document) bool {
	for _, n := range a {
		if n.holds(d) {
			return true
		}
	}
	return false
}

func (a allOf) holds(d Document) bool {
	for _, n := range a {
		if !n.holds(d) {
			return false
		}
	}
	return true
}

func (n negation) holds(d Document) bool { return !n.of.holds(d) }

func (n existence) holds(d Document) bool { return gjson.Get(d.JSON, n.path).Exists() }

func (n likeness) holds(d Document) bool {
	v := n.left.value(d)
	return v.Type == gjson.String && n.pattern.match(v.Str)
}

func (n membership) holds(d Document) bool {
	v := n.left.value(d)
	for _, o := range n.among {
		if order, ok := compare(v, o.value(d)); ok && order == equal {
			return true
		}
	}
	return false
}

func (n comparison) holds(d Document) bool {
	order, ok := compare(n.left.value(d), n.right.value(d))
	return (ok && n.wanted[order]) != n.negate
}

// operand is a path, the key or a literal.
type operand struct {
	path    string
	key     bool
	literal gjson.Result
}

func (o operand) value(d Document) gjson.Result {
	switch {
	case o.path != "":
		return gjson.Get(d.JSON, o.path)
	case o.key:
		return gjson.Result{Type: gjson.String, Str: d.Key}
	}
	return o.literal
}

// The orders of two values, as indexes.
const (
	less = iota
	equal
	greater
)

// compare orders two values of one type; ok is false when they have no order.
func compare(a, b gjson.Result) (order int, ok bool) {
	switch {
	case a.Type == gjson.Number && b.Type == gjson.Number:
		return compareNumbers(a, b), true
	case a.Type == gjson.String && b.Type == gjson.String:
		return 1 + strings.Compare(a.Str, b.Str), true
	case a.Type == gjson.JSON || b.Type == gjson.JSON:
		return equal, a.Type == b.Type && a.Raw == b.Raw
	}
	return equal, a.Type == b.Type
}

// compareNumbers is exact for integers of 64 bits, of which a float64 holds
// only the smaller.
func compareNumbers(a, b gjson.Result) int {
	const exact = 1 << 53
	if a.Num > -exact && a.Num < exact || b.Num > -exact && b.Num < exact {
		return 1 + cmp.Compare(a.Num, b.Num)
	}
	x, errX := strconv.ParseInt(a.Raw, 10, 64)
	y, errY := strconv.ParseInt(b.Raw, 10, 64)
	if errX != nil || errY != nil {
		return 1 + cmp.Compare(a.Num, b.Num)
	}
	return 1 + cmp.Compare(x, y)
}
