package gateway

import (
	"headgate/ingest"
)

// routed exports what the routes had to make do with.
func (c collector) routed(m sample, s ingest.Stats) {
	m.counter("headgate_routes_unkeyed_total", "messages keyed by client id, because their route's key could not be made", float64(s.Unkeyed))
	for reason, n := range map[string]uint64{"unnamed": s.Unnamed, "outside": s.Outside, "full": s.Full} {
		m.counter("headgate_routes_defaulted_total", "messages in the default stream, because their route's template led to none", float64(n), "reason", reason)
	}
	for format, n := range s.Malformed {
		m.counter("headgate_routes_malformed_total", "payloads that are not what their route takes them for; stored as they are", float64(n), "format", string(format))
	}
	m.gauge("headgate_routes_streams", "streams that templates led to", float64(s.Streams))
	p := s.Sparkplug
	if p.Messages == 0 {
		return
	}
	m.gauge("headgate_sparkplug_edges", "edge nodes whose birth is known here", float64(p.Edges))
	m.gauge("headgate_sparkplug_aliases", "aliases of metrics that are known here", float64(p.Aliases))
	for what, n := range map[string]uint64{"birth": p.Births, "death": p.Deaths, "stale_death": p.Stale, "gap": p.Gaps, "unborn": p.Unborn, "dropped": p.Dropped} {
		m.counter("headgate_sparkplug_events_total", "births, deaths, and faults of edge nodes", float64(n), "event", what)
	}
	m.counter("headgate_sparkplug_unknown_aliases_total", "metrics whose alias is not known until the next birth", float64(p.Unknown))
	m.counter("headgate_sparkplug_historical_total", "metrics that were measured earlier", float64(p.Historical))
}
