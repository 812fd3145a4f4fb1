package ingest

import (
	"slices"
	"strings"

	"headgate/shardlog"
)

// Reach are the streams in which messages for subscribers may lie whose topics
// match a topic filter. Where templates lead it grows with the catalog.
func (r *Routes) Reach(filter string) (all []shardlog.StreamName) {
	levels := strings.Split(filter, "/")
	add := func(name shardlog.StreamName) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for i := range r.rules {
		rule := &r.rules[i]
		if rule.refuse || rule.only || !rule.filter.meets(levels) {
			continue
		}
		add(rule.stream)
		if rule.names != nil {
			for _, name := range r.names.list(rule.glob) {
				add(name)
			}
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
