package rules

import (
	"slices"
	"strings"
	"time"
)

// Status is one rule's work on this gateway.
type Status struct {
	Name    string         `json:"name"`
	Fault   string         `json:"fault,omitempty"` // why it cannot work
	Actions []ActionStatus `json:"actions"`
}

// ActionStatus is one action of a rule.
type ActionStatus struct {
	Action string `json:"action"` // kinesis, republish, errors
	Target string `json:"target"` // a stream, or the template of a topic
	Counts
	LagRecords uint64        `json:"lag_records"` // records not yet looked at
	LagAge     time.Duration `json:"lag_age_ns"`  // since the one that it is at arrived
	LastError  string        `json:"last_error,omitempty"`
}

// Status is what the rules that run here are doing, by name. On a gateway that
// does not lead there is none.
func (r *Runner) Status() []Status {
	all := []Status{}
	for name, one := range r.now() {
		s := Status{Name: name, Actions: []ActionStatus{}}
		if one.fault != nil {
			s.Fault = one.fault.Error()
		}
		for _, p := range one.pipes {
			s.Actions = append(s.Actions, p.status())
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (p *pipe) status() ActionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := ActionStatus{Action: p.action.name(), Target: p.action.target(), Counts: p.counts}
	if p.last != nil {
		s.LastError = p.last.Error()
	}
	for _, ln := range p.lanes {
		stream, _ := p.runner.c.Catalog.StreamByID(ln.shard.ID.Stream)
		sh, _ := stream.Shard(ln.shard.ID.Number)
		if next := max(ln.next.Load(), uint64(sh.Kept)); uint64(sh.Next) > next {
			s.LagRecords += uint64(sh.Next) - next
			if since := ln.since.Load(); since > 0 {
				s.LagAge = max(s.LagAge, time.Since(time.UnixMilli(since)))
			}
		}
	}
	return s
}
