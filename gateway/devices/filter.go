package devices

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// filter is a topic filter of MQTT (5.0, section 4.7), level by level. Levels
// may be empty; "+" is any one level, "#" at the end is any number of them,
// none included.
type filter []string

// parseFilter answers in words what is wrong with a filter.
func parseFilter(text string) (filter, error) {
	if text == "" || len(text) > 65535 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, fmt.Errorf("a filter is 1 to 65535 bytes of UTF-8")
	}
	f := filter(strings.Split(text, "/"))
	for i, level := range f {
		switch {
		case level == "#" && i != len(f)-1:
			return nil, fmt.Errorf("# stands only at the end")
		case level != "#" && level != "+" && strings.ContainsAny(level, "+#"):
			return nil, fmt.Errorf("+ and # stand alone between slashes")
		}
	}
	return f, nil
}

// cut takes the first level off a topic or filter; more says that another
// follows the slash.
func cut(text string) (level, rest string, more bool) {
	i := strings.IndexByte(text, '/')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// isSystem reports whether a first level is one that wildcards do not match
// (MQTT 5.0, 4.7.2).
func isSystem(level string) bool { return level != "" && level[0] == '$' }

// contains reports whether every topic that the other filter matches is one
// that f matches. The other is text, so that nothing is allocated; a topic is a
// filter that matches only itself.
func (f filter) contains(other string) bool {
	more := true
	for i, level := range f {
		if !more {
			return level == "#" // "a/#" matches "a"
		}
		var theirs string
		theirs, other, more = cut(other)
		switch {
		case i == 0 && (level == "#" || level == "+") && isSystem(theirs):
			return false
		case level == "#":
			return true
		case theirs == "#":
			return false
		case level != "+" && level != theirs: // a "+" of theirs is more than a name
			return false
		}
	}
	return !more
}

// meets reports whether some topic is matched by both filters. It takes
// wildcards to match system topics as well, so that what it forbids is rather
// too much.
func (f filter) meets(other string) bool {
	more := true
	for _, level := range f {
		if level == "#" {
			return true
		}
		if !more {
			return false
		}
		var theirs string
		theirs, other, more = cut(other)
		if theirs == "#" {
			return true
		}
		if level != "+" && theirs != "+" && level != theirs {
			return false
		}
	}
	return !more || other == "#"
}
