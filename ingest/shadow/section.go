package shadow

import (
	"encoding/json"
	"maps"
	"strconv"
)

// section is one half of a shadow: what is desired, or what was reported.
// Sections are values: what changes one makes another, and leaves it alone.
type section struct {
	state object
	times object // of the same shape down to what is no object; there the second since 1970
}

// merge is the section after an update: objects are merged, null deletes,
// everything else, lists too, is replaced.
func (s section) merge(patch object, at json.Number) section {
	out := section{state: maps.Clone(s.state), times: maps.Clone(s.times)}
	if out.state == nil {
		out = section{state: object{}, times: object{}}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out.state, name)
			delete(out.times, name)
		case object:
			inner := s.inner(name).merge(v, at)
			out.state[name], out.times[name] = inner.state, inner.times
		default:
			out.state[name], out.times[name] = v, at
		}
	}
	return out
}

// inner is the object in the section that has the name, empty when there is none.
func (s section) inner(name string) section {
	state, ok := s.state[name].(object)
	if !ok {
		return section{}
	}
	times, _ := s.times[name].(object)
	return section{state: state, times: times}
}

// beyond is what of the section is otherwise in another, or not there: of what
// is desired that which the thing has yet to do. What only the other has is not
// in it.
func (s section) beyond(other object) section {
	out := section{state: object{}, times: object{}}
	for name, v := range s.state {
		has, there := other[name]
		mine, isObject := v.(object)
		theirs, both := has.(object)
		switch {
		case there && isObject && both:
			inner := section{state: mine, times: s.inner(name).times}.beyond(theirs)
			if len(inner.state) > 0 {
				out.state[name], out.times[name] = inner.state, inner.times
			}
		case !there || !equal(v, has):
			out.state[name], out.times[name] = v, s.times[name]
		}
	}
	return out
}

// metadata is what is told of the section's times: in the place of every value
// when it was set.
func (s section) metadata() object {
	out := object{}
	for name, v := range s.state {
		if _, is := v.(object); is {
			out[name] = s.inner(name).metadata()
			continue
		}
		out[name] = timed(v, s.times[name])
	}
	return out
}

// timed is the metadata of a value that was set as one.
func timed(v, at any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = timed(v[i], at)
		}
		return list
	case object:
		o := object{}
		for name := range v {
			o[name] = timed(v[name], at)
		}
		return o
	}
	return object{"timestamp": at}
}

// size is what the section counts against MaxState.
func (s section) size() int {
	if len(s.state) == 0 {
		return 0
	}
	return len(encode(s.state))
}

// itoa is a whole number in decimal.
func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// exponent reads the exponent of a JSON number.
func exponent(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}
