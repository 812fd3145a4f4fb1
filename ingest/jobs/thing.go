package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// thing is all executions of one thing, read together. Whoever changes one of
// them changes the thing's own row as well, and expects it as it was read: so
// two gateways never decide on different pictures of what comes next.
type thing struct {
	name       string
	version    shardlog.Version // of its own row; zero: there is none
	executions []Execution      // by age
	changed    map[string]bool  // jobs whose executions are to be written, or deleted
}

// read reads a thing. Its own row is read first: a change in between is found
// out when the thing is written.
func (s *Service) read(ctx context.Context, name string) (*thing, error) {
	t := &thing{name: name, changed: map[string]bool{}}
	_, version, err := s.c.States.Get(ctx, Executions, name)
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return nil, err
	}
	if t.version = version; err != nil {
		t.version = 0
	}
	for key, value := range s.c.States.List(ctx, Executions, name+"/") {
		e, err := parseExecution(key, value)
		if err != nil {
			return nil, err
		}
		t.executions = append(t.executions, e)
	}
	slices.SortFunc(t.executions, older)
	return t, ctx.Err()
}

// older orders executions by age.
func older(a, b Execution) int {
	return cmp.Or(a.Queued.Compare(b.Queued), strings.Compare(a.Job, b.Job))
}

// find is the execution of a job, nil for none; of $next, the next one.
func (t *thing) find(job string) *Execution {
	if job == nextJob {
		return t.next()
	}
	for i := range t.executions {
		if t.executions[i].Job == job {
			return &t.executions[i]
		}
	}
	return nil
}

// set puts an execution in.
func (t *thing) set(e Execution) {
	t.changed[e.Job] = true
	if old := t.find(e.Job); old != nil {
		*old = e
		return
	}
	t.executions = append(t.executions, e)
	slices.SortFunc(t.executions, older)
}

// remove takes an execution out.
func (t *thing) remove(job string) {
	t.changed[job] = true
	t.executions = slices.DeleteFunc(t.executions, func(e Execution) bool { return e.Job == job })
}

// in are the executions of a state, by age.
func (t *thing) in(status Status) (all []Execution) {
	for _, e := range t.executions {
		if e.Status == status {
			all = append(all, e)
		}
	}
	return all
}

// next is what comes next: the oldest that is in progress, else the oldest that
// is queued; nil for none.
func (t *thing) next() *Execution {
	for _, status := range []Status{InProgress, Queued} {
		for i := range t.executions {
			if t.executions[i].Status == status {
				return &t.executions[i]
			}
		}
	}
	return nil
}

// standing is what a thing's notices tell of.
type standing struct {
	next    string
	pending []string // by name
}

func (t *thing) standing() (s standing) {
	if next := t.next(); next != nil {
		s.next = next.Job
	}
	for _, e := range t.executions {
		if e.Status.Pending() {
			s.pending = append(s.pending, e.Job)
		}
	}
	slices.Sort(s.pending)
	return s
}

// mutations write what was changed.
func (t *thing) mutations() []shardlog.Mutation {
	var all []shardlog.Mutation
	for job := range t.changed {
		m := shardlog.Mutation{Space: Executions, Key: executionKey(t.name, job)}
		if e := t.find(job); e != nil {
			m.Value = text(e)
		}
		all = append(all, m)
	}
	own := shardlog.Mutation{Space: Executions, Key: t.name, Expect: shardlog.Absent()}
	if t.version != 0 {
		own.Expect = shardlog.At(t.version)
	}
	if n := len(t.executions); n > 0 {
		own.Value = text(thingRow{n})
	} else if t.version == 0 {
		return all
	}
	return append(all, own)
}

// notices tell the thing what has changed since.
func (s *Service) notices(ctx context.Context, t *thing, before standing, now time.Time) (all []ingest.Announcement, err error) {
	after := t.standing()
	if !slices.Equal(before.pending, after.pending) {
		jobs := map[Status][]executionSummary{}
		for _, status := range []Status{InProgress, Queued} {
			for _, e := range t.in(status) {
				jobs[status] = append(jobs[status], summaryOf(e))
			}
		}
		all = append(all, ingest.Announcement{Topic: thingsPrefix + t.name + "/jobs/notify", Payload: text(notice{Jobs: jobs, Timestamp: now.Unix()})})
	}
	if before.next != after.next {
		n := nextNotice{Timestamp: now.Unix()}
		if next := t.next(); next != nil {
			document, err := s.document(ctx, next.Job)
			if err != nil {
				return nil, err
			}
			n.Execution = dataOf(*next, document)
		}
		all = append(all, ingest.Announcement{Topic: thingsPrefix + t.name + "/jobs/notify-next", Payload: text(n)})
	}
	return all, nil
}

// notice is AWS IoT's JobExecutionsChanged, nextNotice its NextJobExecutionChanged.
type notice struct {
	Timestamp int64                         `json:"timestamp"`
	Jobs      map[Status][]executionSummary `json:"jobs"`
}

type nextNotice struct {
	Timestamp int64          `json:"timestamp"`
	Execution *executionData `json:"execution,omitempty"`
}

// attempts are how often a change is tried anew when another gateway was first.
const attempts = 10

// change reads a thing, has it changed, and writes and announces what came of
// it: the answers, and behind them the notices. do is called again when
// somebody else was first; when it fails nothing is done.
func (s *Service) change(ctx context.Context, name string, do func(*thing) (answers []ingest.Announcement, with []shardlog.Mutation, err error)) error {
	for i := range attempts {
		t, err := s.read(ctx, name)
		if err != nil {
			return err
		}
		before := t.standing()
		all, with, err := do(t)
		if err != nil {
			return err
		}
		if len(t.changed) == 0 && len(all) == 0 {
			return nil
		}
		more, err := s.notices(ctx, t, before, s.now())
		if err != nil {
			return err
		}
		if len(t.changed) > 0 {
			with = append(with, t.mutations()...)
		}
		all = append(all, more...)
		if len(all) > 0 {
			err = s.c.Announce(ctx, name, all, with...)
		} else {
			err = s.c.States.Mutate(ctx, with...)
		}
		if shardlog.KindOf(err) != shardlog.Conflict || err == nil {
			return err
		}
		s.counts.conflicts.Add(1)
		if err := pause(ctx, time.Duration(i+1)*conflictPause); err != nil {
			return err
		}
	}
	return shardlog.Errorf(shardlog.Unavailable, "change executions", "of %q: others were faster, time and again", name)
}

// conflictPause is how long the first attempt waits for the change of another
// gateway to come here.
const conflictPause = 2 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return shardlog.Errorf(shardlog.Unavailable, "wait", "%w", context.Cause(ctx))
	}
}

// document is a job's document, nil when it is gone.
func (s *Service) document(ctx context.Context, job string) (json.RawMessage, error) {
	b, _, err := s.c.States.Get(ctx, Documents, job)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil, nil
	}
	return b, err
}
