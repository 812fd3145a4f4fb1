package dynamoapi

import (
	"slices"
	"strconv"
	"strings"
)

// path leads to an attribute, or into one: a.b[2].
type path []step

// step is a name, or a place in a list.
type step struct {
	name  string
	index int // used when name is ""
}

// path reads a path.
func (p *parser) path() (path, error) {
	first, err := p.name()
	if err != nil {
		return nil, err
	}
	to := path{step{name: first}}
	for {
		switch {
		case p.take("."):
			name, err := p.name()
			if err != nil {
				return nil, err
			}
			to = append(to, step{name: name})
		case p.take("["):
			n, err := strconv.Atoi(p.token)
			if err != nil || n < 0 {
				return nil, p.syntax()
			}
			if err := p.next(); err != nil {
				return nil, err
			}
			if err := p.want("]"); err != nil {
				return nil, err
			}
			to = append(to, step{index: n})
		default:
			return to, nil
		}
		if len(to) > 32 {
			return nil, p.bad("the path is too long")
		}
	}
}

// name reads an attribute's name, or what #name stands for.
func (p *parser) name() (string, error) {
	name := p.token
	if name == "" || !isWord(name[0]) || name[0] == ':' {
		return "", p.syntax()
	}
	if strings.HasPrefix(name, "#") {
		given, ok := p.Names[name]
		if !ok {
			return "", p.bad("An expression attribute name used in the document path is not defined; attribute name: " + name)
		}
		name = given
	}
	return name, p.next()
}

// of is what the path leads to.
func (to path) of(it item) (v value, ok bool) {
	v = value{kind: "M", inner: it}
	for _, s := range to {
		switch {
		case s.name != "":
			if v, ok = v.inner[s.name]; !ok {
				return v, false
			}
		case s.index < len(v.list):
			v = v.list[s.index]
		default:
			return value{}, false
		}
	}
	return v, true
}

// set puts a value at the path's end, in a copy of what is on the way. False:
// the way is not there.
func (to path) set(v value, new *value) (value, bool) {
	if len(to) == 0 {
		if new == nil {
			return value{}, false
		}
		return *new, true
	}
	s, rest := to[0], to[1:]
	if s.name != "" {
		old, there := v.inner[s.name]
		if v.kind != "M" || len(rest) > 0 && !there {
			return v, false
		}
		inner := make(item, len(v.inner)+1)
		for name, each := range v.inner {
			inner[name] = each
		}
		next, ok := rest.set(old, new)
		switch {
		case ok:
			inner[s.name] = next
		case len(rest) == 0:
			delete(inner, s.name)
		default:
			return v, false
		}
		v.inner = inner
		return v, true
	}
	if v.kind != "L" || len(rest) > 0 && s.index >= len(v.list) {
		return v, false
	}
	v.list = slices.Clone(v.list)
	if s.index >= len(v.list) { // behind the end: at the end
		if new != nil {
			v.list = append(v.list, *new)
		}
		return v, true
	}
	next, ok := rest.set(v.list[s.index], new)
	switch {
	case ok:
		v.list[s.index] = next
	case len(rest) == 0:
		v.list = slices.Delete(v.list, s.index, s.index+1)
	default:
		return v, false
	}
	return v, true
}

// project keeps only what the paths lead to.
func project(it item, paths []path) item {
	if paths == nil {
		return it
	}
	kept := item{}
	for _, to := range paths {
		if v, ok := to.of(it); ok {
			put(kept, to, v)
		}
	}
	return kept
}

// put makes the way to a value. Elements of lists stand in the order asked for.
func put(into item, to path, v value) {
	if len(to) == 1 {
		into[to[0].name] = v
		return
	}
	kind := "M"
	if to[1].name == "" {
		kind = "L"
	}
	inside, ok := into[to[0].name]
	if !ok {
		inside = value{kind: kind, inner: item{}}
	}
	if kind == "L" {
		inside.list = append(inside.list, v)
	} else {
		put(inside.inner, to[1:], v)
	}
	into[to[0].name] = inside
}

// projection reads a ProjectionExpression, or the older list of attributes;
// nil: all.
func (n names) projection(text string, attributes []string) ([]path, error) {
	if text == "" {
		var all []path
		for _, name := range attributes {
			all = append(all, path{step{name: name}})
		}
		return all, nil
	}
	p, err := n.parse("ProjectionExpression", text)
	if err != nil {
		return nil, err
	}
	var all []path
	for {
		to, err := p.path()
		if err != nil {
			return nil, err
		}
		all = append(all, to)
		if !p.take(",") {
			break
		}
	}
	if p.token != "" {
		return nil, p.syntax()
	}
	return all, nil
}
