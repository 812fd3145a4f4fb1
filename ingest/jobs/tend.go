package jobs

import (
	"context"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

const (
	tendEvery = time.Second      // jobs that move by themselves are looked at
	scanEvery = 10 * time.Second // executions are, for their timers
	fileEvery = time.Hour        // files are, for those that no job needs
)

// Run does what no device asks for: it queues the executions of new jobs, ends
// what is late, cancels and deletes, until ctx ends. It belongs on the gateway
// that leads; two at once do no harm.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var scanned, collected time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
		now := time.Now()
		if s.Tend(ctx, now.Sub(scanned) >= scanEvery) {
			scanned = now
		}
		if now.Sub(collected) >= fileEvery {
			collected = now
			s.collect(ctx)
		}
	}
}

// Tend does it once: for jobs that move by themselves, or with all for
// everything that has not ended. It reports whether it looked at executions.
func (s *Service) Tend(ctx context.Context, all bool) bool {
	wanted := map[string]Job{}
	for _, j := range s.Jobs(ctx) {
		if !j.Settled && (all || s.moves(ctx, j)) {
			wanted[j.Name] = j
		}
	}
	if len(wanted) == 0 {
		return all
	}
	executions := s.executions(ctx, func(job string) bool { _, ok := wanted[job]; return ok })
	for name, j := range wanted {
		if err := s.tend(ctx, j, executions[name]); err != nil && ctx.Err() == nil {
			s.c.Log.Warn("a job was not tended to, it will be tried again", "job", name, "error", err)
		}
	}
	return all
}

// moves reports whether there is something to do for a job now, without a look
// at its executions.
func (s *Service) moves(ctx context.Context, j Job) bool {
	if j.Status == Deleting || j.Status == Stopped && s.now().Sub(j.Ended) < 2*scanEvery {
		return true
	}
	for range s.c.States.List(ctx, Targets, j.Name+"/") {
		return true
	}
	return false
}

func (s *Service) tend(ctx context.Context, j Job, executions []Execution) error {
	if j.Status == Deleting {
		return s.erase(ctx, j, executions)
	}
	now, pending := s.now(), 0
	for _, e := range executions {
		to := e.Status
		switch {
		case e.late(now):
			to = TimedOut
		case j.Status == Stopped && (e.Status == Queued || e.Status == InProgress && j.Forced):
			to = Canceled
		}
		if to == e.Status {
			if e.Status.Pending() {
				pending++
			}
			continue
		}
		if err := s.end(ctx, e, to); err != nil {
			return err
		}
	}
	if j.Status == Stopped {
		return s.settle(ctx, j, pending)
	}
	if j.fails(executions) {
		_, err := s.Cancel(ctx, j.Name, "too many executions failed", false)
		return err
	}
	left, err := s.queue(ctx, j, len(executions), now)
	if err != nil || left > 0 || pending > 0 || len(executions) < j.Things {
		return err
	}
	_, err = s.edit(ctx, j.Name, func(j *Job) error {
		if j.Status == Running {
			j.Status, j.Ended, j.Settled = Completed, now, true
		}
		return nil
	})
	return err
}

// end ends an execution, if it still is as it was seen.
func (s *Service) end(ctx context.Context, seen Execution, to Status) error {
	return s.change(ctx, seen.Thing, func(t *thing) ([]ingest.Announcement, []shardlog.Mutation, error) {
		found := t.find(seen.Job)
		if found == nil || found.Version != seen.Version {
			return nil, nil, nil
		}
		e := *found
		e.move(to, s.now())
		t.set(e)
		if to == TimedOut {
			s.counts.timeouts.Add(1)
		}
		return nil, nil, nil
	})
}

// queue queues the executions of things that wait, as many as may be by now,
// and answers how many still wait.
func (s *Service) queue(ctx context.Context, j Job, queued int, now time.Time) (left int, err error) {
	may := j.allowed(now) - queued
	for _, p := range s.pages(ctx, j.Name) {
		done := 0
		for ; done < len(p.things) && may > 0; may-- {
			if err := s.enqueue(ctx, j.Name, p.things[done]); err != nil {
				return 0, err
			}
			done++
		}
		rest := p.things[done:]
		left += len(rest)
		m := shardlog.Mutation{Space: Targets, Key: p.key}
		if done == 0 && len(rest) > 0 {
			continue
		}
		if len(rest) > 0 {
			m.Value = text(rest)
		}
		if err := s.c.States.Mutate(ctx, m); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// enqueue queues one execution, unless it is there. The job's row is written
// with it as it is, so that a job that is canceled meanwhile gets no more.
func (s *Service) enqueue(ctx context.Context, job, name string) error {
	return s.change(ctx, name, func(t *thing) ([]ingest.Announcement, []shardlog.Mutation, error) {
		if t.find(job) != nil {
			return nil, nil, nil
		}
		j, version, err := s.job(ctx, job)
		if err != nil {
			return nil, nil, err
		}
		if j.Status != Running {
			return nil, nil, shardlog.Errorf(shardlog.Unavailable, "queue execution", "job %q is %s", job, j.Status)
		}
		t.set(queue(job, name, s.now()))
		return nil, []shardlog.Mutation{{Space: Jobs, Key: job, Value: text(j), Expect: shardlog.At(version)}}, nil
	})
}

// settle drops the targets of a canceled job, and marks it when nothing is pending.
func (s *Service) settle(ctx context.Context, j Job, pending int) error {
	if err := s.drop(ctx, j.Name); err != nil || pending > 0 {
		return err
	}
	_, err := s.edit(ctx, j.Name, func(j *Job) error {
		j.Settled = j.Status == Stopped
		return nil
	})
	return err
}

// drop forgets the things that wait for a job.
func (s *Service) drop(ctx context.Context, job string) error {
	var all []shardlog.Mutation
	for _, p := range s.pages(ctx, job) {
		all = append(all, shardlog.Mutation{Space: Targets, Key: p.key})
	}
	if len(all) == 0 {
		return nil
	}
	return s.c.States.Mutate(ctx, all...)
}

// erase removes what there is of a job, its own row last.
func (s *Service) erase(ctx context.Context, j Job, executions []Execution) error {
	if err := s.drop(ctx, j.Name); err != nil {
		return err
	}
	for _, e := range executions {
		err := s.change(ctx, e.Thing, func(t *thing) ([]ingest.Announcement, []shardlog.Mutation, error) {
			if t.find(e.Job) != nil {
				t.remove(e.Job)
			}
			return nil, nil, nil
		})
		if err != nil {
			return err
		}
	}
	_, version, err := s.job(ctx, j.Name)
	if err != nil {
		return err
	}
	all, err := s.release(ctx, j)
	if err != nil {
		return err
	}
	return s.c.States.Mutate(ctx, append(all, shardlog.Mutation{Space: Documents, Key: j.Name},
		shardlog.Mutation{Space: Jobs, Key: j.Name, Expect: shardlog.At(version)})...)
}
