package awsapi

import (
	"net/http"
	"sync/atomic"
)

// counters are one operation's.
type counters struct{ calls, errors, faults, throttled, denied atomic.Int64 }

func (c *counters) count(err *Error) {
	c.calls.Add(1)
	switch {
	case err == nil:
	case err.Code == "ProvisionedThroughputExceededException" || err.Code == "LimitExceededException":
		c.throttled.Add(1)
	case err.Code == accessDenied:
		c.denied.Add(1)
		c.errors.Add(1)
	case err.Status >= http.StatusInternalServerError:
		c.faults.Add(1)
	default:
		c.errors.Add(1)
	}
}

// OpStats is what one operation has seen since the start. Every call that is
// none of the other three was answered well.
type OpStats struct {
	Calls     int64
	Errors    int64 // the client's
	Faults    int64 // ours
	Throttled int64
	Denied    int64 // those of the errors that were for want of permission
}

// Stats is what a Door has seen since the start.
type Stats struct {
	Ops      map[string]OpStats // by "service.Operation", the service as credentials name it
	Refused  int64              // before any operation: malformed, unsigned, too large
	UnderWay int64              // now, without those that go on
	Flows    int64              // answers that go on, such as subscriptions, now
}

// Stats answers what the Door has seen.
func (d *Door) Stats() Stats {
	s := Stats{Ops: make(map[string]OpStats, len(d.routes)), Refused: d.refused.Load(), UnderWay: d.under.Load(), Flows: d.flows.Load()}
	for _, routes := range [...]map[string]*route{d.routes, d.paths} {
		for _, route := range routes {
			c := &route.stats
			s.Ops[route.service.Signing+"."+route.name] = OpStats{Calls: c.calls.Load(), Errors: c.errors.Load(),
				Faults: c.faults.Load(), Throttled: c.throttled.Load(), Denied: c.denied.Load()}
		}
	}
	return s
}
