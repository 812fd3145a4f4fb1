package gateway

import (
	"strconv"

	"headgate/ingest/shadow"
)

func (c collector) shadows(m sample, s shadow.Stats) {
	for what, n := range map[string]uint64{"update": s.Updates, "get": s.Gets, "delete": s.Deletes} {
		m.counter("headgate_shadow_requests_total", "requests of device shadows", float64(n), "request", what)
	}
	for code, n := range s.Rejected {
		m.counter("headgate_shadow_rejected_total", "requests that were rejected", float64(n), "code", strconv.Itoa(code))
	}
	m.counter("headgate_shadow_retries_total", "changes begun again because another came first", float64(s.Retries))
	m.gauge("headgate_shadows", "shadows when they were last counted", float64(s.Shadows))
}
