package ingest

import (
	"slices"
	"strings"

	"headgate/shardlog"
)

// Reach are the streams in which messages may lie whose topics match a topic
// filter.
func (r *Routes) Reach(filter string) (all []shardlog.StreamName) {
	levels := strings.Split(filter, "/")
	for _, rule := range r.rules {
		if !rule.refuse && rule.filter.meets(levels) && !slices.Contains(all, rule.stream) {
			all = append(all, rule.stream)
		}
	}
	return all
}

// meets reports whether some topic matches both filters, or might.
func (f Filter) meets(levels []string) bool {
	for i, level := range levels {
		switch {
		case level == "#":
			return true
		case i >= len(f.levels):
			return f.rest
		case level != "+" && f.levels[i] != "+" && level != f.levels[i]:
			return false
		}
	}
	return len(levels) >= len(f.levels)
}
