package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"headgate/shardlog"
)

// pageThings are how many targets one row holds.
const pageThings = 100

// Create makes a job; its executions are queued by Run of the gateway that
// leads. Kinds: Invalid, InUse: there is one of that name; NotFound: no such
// file; LimitExceeded, Conflict: somebody changed the file, try again; and as
// of shardlog.States.
func (s *Service) Create(ctx context.Context, o Order) (Job, error) {
	file, with, err := s.hold(ctx, o)
	if err != nil {
		return Job{}, err
	}
	if len(o.Document) == 0 && o.File != "" {
		o.Document = text(fileDocument{"update", o.Name, []fileEntry{{0, file.Size, file.SHA256}}})
	}
	slices.Sort(o.Things)
	o.Things = slices.Compact(o.Things)
	if err := o.check(); err != nil {
		return Job{}, err
	}
	if err := s.room(ctx, o); err != nil {
		return Job{}, err
	}
	j := Job{Name: o.Name, Description: o.Description, Status: Running, Created: s.now(), Timeout: o.Timeout, Rate: o.Rate,
		AbortPercent: o.AbortPercent, AbortAfter: o.AbortAfter, Things: len(o.Things), File: o.File}
	all := append(with, shardlog.Mutation{Space: Jobs, Key: j.Name, Value: text(j), Expect: shardlog.Absent()},
		shardlog.Mutation{Space: Documents, Key: j.Name, Value: o.Document})
	number := 0
	for page := range slices.Chunk(o.Things, pageThings) {
		all = append(all, shardlog.Mutation{Space: Targets, Key: fmt.Sprintf("%s/%04d", j.Name, number), Value: text(page)})
		number++
	}
	if err := s.c.States.Mutate(ctx, all...); err != nil {
		return Job{}, err
	}
	s.stir()
	return j, nil
}

// fileDocument is the document of a job that has a file and no other document:
// as devices for AWS IoT read it.
type fileDocument struct {
	Operation string      `json:"operation"`
	Stream    string      `json:"streamname"`
	Files     []fileEntry `json:"files"`
}

type fileEntry struct {
	ID     int    `json:"fileid"`
	Size   int64  `json:"filesize"`
	SHA256 string `json:"sha256"`
}

// hold finds the order's file, and what keeps it for the job.
func (s *Service) hold(ctx context.Context, o Order) (fileRow, []shardlog.Mutation, error) {
	if o.File == "" {
		return fileRow{}, nil, nil
	}
	f, version, err := s.file(ctx, o.File)
	if err != nil {
		return f, nil, err
	}
	if !f.Whole {
		return f, nil, shardlog.Errorf(shardlog.NotFound, "create job", "file %s was not put to its end", o.File)
	}
	held := f
	held.Jobs = append(slices.Clone(f.Jobs), o.Name)
	return f, []shardlog.Mutation{{Space: Files, Key: o.File, Value: text(held), Expect: shardlog.At(version)}}, nil
}

// room answers InUse or LimitExceeded when there is none for a job.
func (s *Service) room(ctx context.Context, o Order) error {
	number, executions := 0, len(o.Things)
	for _, j := range s.Jobs(ctx) {
		if j.Name == o.Name {
			return shardlog.Errorf(shardlog.InUse, "create job", "there is a job %q", o.Name)
		}
		number++
		executions += j.Things
	}
	if number >= MaxJobs || executions > MaxExecutions {
		return shardlog.Errorf(shardlog.LimitExceeded, "create job", "%d jobs with %d executions, %d and %d are allowed: delete some that ended", number, executions, MaxJobs, MaxExecutions)
	}
	return nil
}

// Jobs are all jobs, by name. Rows that cannot be read are left out.
func (s *Service) Jobs(ctx context.Context) (all []Job) {
	for key, value := range s.c.States.List(ctx, Jobs, "") {
		j, err := parseJob(key, value)
		if err != nil {
			s.c.Log.Warn("a job is left out", "error", err)
			continue
		}
		all = append(all, j)
	}
	return all
}

// Description is a job with everything that is known of it.
type Description struct {
	Job
	Document   json.RawMessage `json:"document,omitempty"`
	Waiting    int             `json:"waiting"` // things whose executions are not queued yet
	Counts     map[Status]int  `json:"counts"`
	Executions []Execution     `json:"executions"` // by thing
}

// Describe tells of one. Kinds: NotFound.
func (s *Service) Describe(ctx context.Context, name string) (Description, error) {
	j, _, err := s.job(ctx, name)
	if err != nil {
		return Description{}, err
	}
	d := Description{Job: j, Counts: map[Status]int{}}
	if d.Document, err = s.document(ctx, name); err != nil {
		return d, err
	}
	for _, page := range s.pages(ctx, name) {
		d.Waiting += len(page.things)
	}
	d.Executions = s.executions(ctx, func(job string) bool { return job == name })[name]
	for _, e := range d.Executions {
		d.Counts[e.Status]++
	}
	return d, nil
}

// executions are those of the jobs that are wanted, by job, then by thing.
func (s *Service) executions(ctx context.Context, wanted func(job string) bool) map[string][]Execution {
	all := map[string][]Execution{}
	for key, value := range s.c.States.List(ctx, Executions, "") {
		job, ok := jobOf(key)
		if !ok || !wanted(job) {
			continue
		}
		e, err := parseExecution(key, value)
		if err != nil {
			s.c.Log.Warn("an execution is left out", "error", err)
			continue
		}
		all[job] = append(all[job], e)
	}
	return all
}

// page is a row of targets.
type page struct {
	key    string
	things []string
}

func (s *Service) pages(ctx context.Context, job string) (all []page) {
	for key, value := range s.c.States.List(ctx, Targets, job+"/") {
		p := page{key: key}
		if err := json.Unmarshal(value, &p.things); err != nil {
			s.c.Log.Warn("targets of a job are left out", "row", key, "error", err)
		}
		all = append(all, p)
	}
	return all
}

// Cancel ends a job: what is queued is canceled, and what is in progress, too,
// when forced; otherwise devices bring that to its end. Kinds: NotFound, InUse:
// it has ended.
func (s *Service) Cancel(ctx context.Context, name, reason string, force bool) (Job, error) {
	return s.edit(ctx, name, func(j *Job) error {
		if j.Status == Stopped && force && !j.Forced {
			j.Forced = true
			return nil
		}
		if j.Status != Running {
			return shardlog.Errorf(shardlog.InUse, "cancel job", "%q is %s", name, j.Status)
		}
		j.Status, j.Ended, j.Forced, j.Reason = Stopped, s.now(), force, reason
		return nil
	})
}

// Delete forgets a job and its executions; one with something pending only when
// forced. Kinds: NotFound, InUse.
func (s *Service) Delete(ctx context.Context, name string, force bool) error {
	_, err := s.edit(ctx, name, func(j *Job) error {
		if !j.Settled && !force && j.Status != Deleting {
			return shardlog.Errorf(shardlog.InUse, "delete job", "%q has executions that are pending: cancel it, or force", name)
		}
		j.Status, j.Settled = Deleting, false
		return nil
	})
	return err
}

// edit changes a job, and sees to it that what follows is done.
func (s *Service) edit(ctx context.Context, name string, do func(*Job) error) (Job, error) {
	for i := range attempts {
		j, version, err := s.job(ctx, name)
		if err == nil {
			err = do(&j)
		}
		if err != nil {
			return Job{}, err
		}
		err = s.c.States.Mutate(ctx, shardlog.Mutation{Space: Jobs, Key: name, Value: text(j), Expect: shardlog.At(version)})
		if err == nil {
			s.stir()
			return j, nil
		}
		if shardlog.KindOf(err) != shardlog.Conflict {
			return Job{}, err
		}
		s.counts.conflicts.Add(1)
		if err := pause(ctx, conflictPause<<i); err != nil {
			return Job{}, err
		}
	}
	return Job{}, shardlog.Errorf(shardlog.Unavailable, "change job", "%q: others were faster, time and again", name)
}

// stir has Run look at once, where it runs here.
func (s *Service) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// release is a file's row without the job, nil when there is nothing to release.
func (s *Service) release(ctx context.Context, j Job) ([]shardlog.Mutation, error) {
	if j.File == "" {
		return nil, nil
	}
	f, version, err := s.file(ctx, j.File)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.Jobs = slices.DeleteFunc(f.Jobs, func(name string) bool { return name == j.Name })
	f.Idle = s.now()
	return []shardlog.Mutation{{Space: Files, Key: j.File, Value: text(f), Expect: shardlog.At(version)}}, nil
}
