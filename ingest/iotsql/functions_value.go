package iotsql

import "strings"

// valueFunctions are those that take anything.
func valueFunctions() map[string]function {
	return map[string]function{
		"isnull":      {1, 1, func(_ *run, a []value) value { return boolOf(a[0].sort == null) }},
		"isundefined": {1, 1, func(_ *run, a []value) value { return boolOf(a[0].sort == undefined) }},
		"nanvl": {2, 2, func(_ *run, a []value) value {
			if a[0].sort == undefined || a[0].sort == null {
				return a[1]
			}
			return a[0]
		}},
		"get_or_default": {1, 2, func(_ *run, a []value) value {
			switch {
			case a[0].sort != undefined && a[0].sort != null:
				return a[0]
			case len(a) == 2:
				return a[1]
			}
			return value{}
		}},
		"get":       {2, 2, func(_ *run, a []value) value { return pick(a[0], a[1]) }},
		"concat":    {0, many, concat},
		"transform": {3, 3, transform},
	}
}

// concat puts texts, or arrays, together.
func concat(_ *run, a []value) value {
	switch len(a) {
	case 0:
		return value{}
	case 1:
		return a[0]
	}
	out, isText := value{sort: array}, false
	arrays := false
	for _, v := range a {
		arrays = arrays || v.sort == array
		isText = isText || v.sort == str
	}
	if arrays {
		for _, v := range a {
			switch v.sort {
			case array:
				out.items = append(out.items, v.items...)
			case undefined:
			default:
				out.items = append(out.items, v)
			}
		}
		return out
	}
	all, ok := texts(a)
	if !ok || !isText {
		return value{}
	}
	return textOf(strings.Join(all, ""))
}

// transform adds an object's fields to each object of an array.
func transform(r *run, a []value) value {
	if a[0].text != "enrichArray" || a[1].sort != object || a[2].sort != array {
		return value{}
	}
	out := value{sort: array}
	for _, v := range a[2].items {
		if v.sort != object || !r.spend(a[1].weight()) {
			return value{}
		}
		out.items = append(out.items, r.merge(v, a[1]))
	}
	return out
}
