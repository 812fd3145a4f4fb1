package jobs

import (
	"fmt"
	"time"
)

// Status is how far a thing is with a job.
type Status string

// The states of an execution, as AWS IoT names them.
const (
	Queued     Status = "QUEUED"
	InProgress Status = "IN_PROGRESS"
	Succeeded  Status = "SUCCEEDED"
	Failed     Status = "FAILED"
	TimedOut   Status = "TIMED_OUT"
	Rejected   Status = "REJECTED"
	Removed    Status = "REMOVED"
	Canceled   Status = "CANCELED"
)

// Statuses are all of them, in the order of a life.
var Statuses = []Status{Queued, InProgress, Succeeded, Failed, TimedOut, Rejected, Removed, Canceled}

// Pending reports whether there is still something to be done.
func (s Status) Pending() bool { return s == Queued || s == InProgress }

// reported reports whether a device may say that it is there.
func (s Status) reported() bool {
	return s == InProgress || s == Succeeded || s == Failed || s == Rejected
}

// Execution is one job at one thing. Times have milliseconds.
type Execution struct {
	Job     string            `json:"job"`
	Thing   string            `json:"thing"`
	Status  Status            `json:"status"`
	Details map[string]string `json:"details,omitempty"` // what the device says of it
	Queued  time.Time         `json:"queued"`
	Started time.Time         `json:"started,omitzero"`
	Updated time.Time         `json:"updated"`
	Version uint64            `json:"version"` // from 1; each change is one more
	// Deadline is when a started execution times out for its job, Step when for
	// the timer that its device set; zero: never.
	Deadline time.Time `json:"deadline,omitzero"`
	Step     time.Time `json:"step,omitzero"`
}

// executionNumber is that of the only execution of a job at a thing.
const executionNumber = 1

// queue is an execution that is to be done.
func queue(job, thing string, now time.Time) Execution {
	return Execution{Job: job, Thing: thing, Status: Queued, Queued: now, Updated: now, Version: 1}
}

// report is what a device says of an execution.
type report struct {
	status   Status
	expected *uint64           // the version that the device knows; nil: whichever
	details  map[string]string // nil: unchanged
	step     *int64            // minutes, noStep: no timer any more; nil: unchanged
}

// noStep ends the timer of a step.
const noStep = -1

// take changes the execution as its device says. timeout is its job's, zero
// for none.
func (e *Execution) take(r report, timeout time.Duration, now time.Time) *refusal {
	if r.expected != nil && *r.expected != e.Version {
		return refuse(VersionMismatch, fmt.Sprintf("expected version %d, it is %d", *r.expected, e.Version)).with(*e)
	}
	if !e.Status.Pending() || !r.status.reported() {
		return refuse(InvalidStateTransition, fmt.Sprintf("an execution cannot go from %s to %s", e.Status, r.status)).with(*e)
	}
	if r.details != nil {
		e.Details = r.details
	}
	if e.Started.IsZero() {
		e.Started = now
		if timeout > 0 {
			e.Deadline = now.Add(timeout)
		}
	}
	if r.step != nil && *r.step == noStep {
		e.Step = time.Time{}
	} else if r.step != nil {
		e.Step = now.Add(time.Duration(*r.step) * time.Minute)
	}
	e.move(r.status, now)
	return nil
}

// move gives the execution another state.
func (e *Execution) move(to Status, now time.Time) {
	e.Status, e.Updated = to, now
	e.Version++
	if !to.Pending() {
		e.Deadline, e.Step = time.Time{}, time.Time{}
	}
}

// late reports whether one of its timers has ended.
func (e *Execution) late(now time.Time) bool {
	passed := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	return e.Status == InProgress && (passed(e.Deadline) || passed(e.Step))
}
