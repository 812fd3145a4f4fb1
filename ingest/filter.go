package ingest

import (
	"strings"

	"headgate/shardlog"
)

// Filter is an MQTT topic filter taken apart into its levels. It does not change.
type Filter struct {
	levels []string
	rest   bool // ended in #
}

// ParseFilter reads a topic filter (MQTT 5.0, 4.7.1), without $share/GROUP/.
// Kind Invalid.
func ParseFilter(text string) (Filter, error) {
	bad := func(why string) (Filter, error) {
		return Filter{}, shardlog.Errorf(shardlog.Invalid, "read filter", "filter %q %s", text, why)
	}
	if text == "" {
		return bad("is empty")
	}
	if strings.HasPrefix(text, "$share/") {
		return bad("is a shared subscription")
	}
	levels := strings.Split(text, "/")
	last := len(levels) - 1
	for i, level := range levels {
		if level == "#" && i == last {
			return Filter{levels: levels[:last], rest: true}, nil
		}
		if level != "+" && strings.ContainsAny(level, "+#\x00") {
			return bad("has a wildcard that is not a whole level, or # before its end")
		}
	}
	return Filter{levels: levels}, nil
}

// Matches reports whether the topic lies under the filter. It allocates nothing.
func (f Filter) Matches(topic string) bool {
	if strings.HasPrefix(topic, "$") && (len(f.levels) == 0 || f.levels[0] == "+") {
		return false
	}
	left, more := topic, true
	for _, want := range f.levels {
		if !more {
			return false
		}
		var level string
		level, left, more = strings.Cut(left, "/")
		if want != "+" && want != level {
			return false
		}
	}
	return f.rest || !more
}
