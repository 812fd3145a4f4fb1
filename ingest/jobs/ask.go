package jobs

import (
	"context"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// pendingAnswer is the answer to $aws/things/T/jobs/get.
type pendingAnswer struct {
	InProgress  []executionSummary `json:"inProgressJobs"`
	Queued      []executionSummary `json:"queuedJobs"`
	Timestamp   int64              `json:"timestamp"`
	ClientToken string             `json:"clientToken,omitempty"`
}

// pending answers what a thing has to do.
func (s *Service) pending(ctx context.Context, t topic, r ingest.Request, ask request) error {
	all, err := s.read(ctx, t.thing)
	if err != nil {
		return err
	}
	a := pendingAnswer{InProgress: []executionSummary{}, Queued: []executionSummary{}, Timestamp: s.now().Unix(), ClientToken: ask.ClientToken}
	for _, e := range all.in(InProgress) {
		a.InProgress = append(a.InProgress, summaryOf(e))
	}
	for _, e := range all.in(Queued) {
		a.Queued = append(a.Queued, summaryOf(e))
	}
	return s.reply(ctx, r, t.name+"/accepted", text(a))
}

// describe answers how far a thing is with a job.
func (s *Service) describe(ctx context.Context, t topic, r ingest.Request, ask request) error {
	all, err := s.read(ctx, t.thing)
	if err != nil {
		return err
	}
	a := answer{Timestamp: s.now().Unix(), ClientToken: ask.ClientToken}
	e := all.find(t.id)
	switch {
	case e == nil && t.id == nextJob:
		return s.reply(ctx, r, t.name+"/accepted", a.text())
	case e == nil || !ask.names():
		return refuse(ResourceNotFound, "the thing has no such execution")
	case !e.Status.Pending():
		return refuse(TerminalStateReached, "the execution is "+string(e.Status))
	}
	a.Execution = dataOf(*e, nil)
	if ask.document(true) {
		if a.Execution.JobDocument, err = s.document(ctx, e.Job); err != nil {
			return err
		}
	}
	return s.reply(ctx, r, t.name+"/accepted", a.text())
}

// startNext starts what comes next, unless it has begun.
func (s *Service) startNext(ctx context.Context, t topic, r ingest.Request, ask request) error {
	ask.ExpectedVersion = nil // is none of this operation's fields
	var unchanged []byte
	err := s.change(ctx, t.thing, func(all *thing) ([]ingest.Announcement, []shardlog.Mutation, error) {
		now := s.now()
		a := answer{Timestamp: now.Unix(), ClientToken: ask.ClientToken}
		next := all.next()
		if next == nil {
			unchanged = a.text()
			return nil, nil, nil
		}
		e := *next
		if e.Status == Queued {
			timeout, err := s.timeout(ctx, e.Job)
			if err != nil {
				return nil, nil, err
			}
			if fault := e.take(ask.report(InProgress), timeout, now); fault != nil {
				return nil, nil, fault
			}
			all.set(e)
		}
		document, err := s.document(ctx, e.Job)
		if err != nil {
			return nil, nil, err
		}
		a.Execution = dataOf(e, document)
		if len(all.changed) == 0 {
			unchanged = a.text()
			return nil, nil, nil
		}
		unchanged = nil
		return []ingest.Announcement{{Topic: t.name + "/accepted", Payload: a.text()}}, nil, nil
	})
	if err != nil || unchanged == nil {
		return err
	}
	return s.reply(ctx, r, t.name+"/accepted", unchanged)
}

// update changes an execution as its device says.
func (s *Service) update(ctx context.Context, t topic, ask request) error {
	if !ask.Status.reported() {
		return refuse(InvalidRequest, "status is IN_PROGRESS, SUCCEEDED, FAILED or REJECTED")
	}
	return s.change(ctx, t.thing, func(all *thing) ([]ingest.Announcement, []shardlog.Mutation, error) {
		found := all.find(t.id)
		if found == nil || t.id == nextJob || !ask.names() {
			return nil, nil, refuse(ResourceNotFound, "the thing has no such execution")
		}
		e, now := *found, s.now()
		timeout, err := s.timeout(ctx, e.Job)
		if err != nil {
			return nil, nil, err
		}
		if fault := e.take(ask.report(ask.Status), timeout, now); fault != nil {
			return nil, nil, fault
		}
		all.set(e)
		a := answer{Timestamp: now.Unix(), ClientToken: ask.ClientToken}
		if ask.IncludeJobExecutionState {
			a.ExecutionState = stateOf(e)
		}
		if ask.document(false) {
			if a.JobDocument, err = s.document(ctx, e.Job); err != nil {
				return nil, nil, err
			}
		}
		return []ingest.Announcement{{Topic: t.name + "/accepted", Payload: a.text()}}, nil, nil
	})
}

// timeout is how long an execution of the job may be in progress; zero: forever.
func (s *Service) timeout(ctx context.Context, job string) (time.Duration, error) {
	j, _, err := s.job(ctx, job)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return 0, nil
	}
	return j.Timeout, err
}
