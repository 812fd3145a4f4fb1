package ingest

import (
	"strings"

	"headgate/shardlog"
)

// filter is a topic filter taken apart into its levels.
type filter struct {
	levels []string
	rest   bool // ended in #
}

// parseFilter reads an MQTT topic filter (MQTT 5.0, 4.7.1). Kind Invalid.
func parseFilter(text string) (filter, error) {
	bad := func(why string) (filter, error) {
		return filter{}, shardlog.Errorf(shardlog.Invalid, "compile route", "filter %q %s", text, why)
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
			return filter{levels: levels[:last], rest: true}, nil
		}
		if level != "+" && strings.ContainsAny(level, "+#\x00") {
			return bad("has a wildcard that is not a whole level, or # before its end")
		}
	}
	return filter{levels: levels}, nil
}

// matches reports whether the topic lies under the filter. It allocates nothing.
func (f filter) matches(topic string) bool {
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
