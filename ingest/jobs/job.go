package jobs

import (
	"context"
	"encoding/json"
	"regexp"
	"time"

	"headgate/shardlog"
)

// Limits of jobs.
const (
	MaxDocument    = 32 << 10 // bytes
	MaxJobs        = 100      // of a site, those that ended included
	MaxTargets     = 2000     // things of one job
	MaxExecutions  = 20000    // of all jobs together
	MaxDescription = 1024     // bytes
	MaxTimeout     = 7 * 24 * time.Hour
)

// Standing is how far a job is.
type Standing string

// The states of a job, as AWS IoT names them.
const (
	Running   Standing = "IN_PROGRESS"
	Stopped   Standing = "CANCELED"
	Completed Standing = "COMPLETED"
	Deleting  Standing = "DELETION_IN_PROGRESS"
)

// Job is something that many things are to do. Times have milliseconds.
type Job struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Status      Standing      `json:"status"`
	Created     time.Time     `json:"created"`
	Ended       time.Time     `json:"ended,omitzero"`
	Timeout     time.Duration `json:"timeout_ns,omitempty"` // of an execution in progress; zero: none
	Rate        int           `json:"rate,omitempty"`       // executions queued a minute; zero: all at once
	// AbortPercent, where it is not zero, cancels the job when that share of at
	// least AbortAfter ended executions failed, timed out or were rejected.
	AbortPercent int    `json:"abort_percent,omitempty"`
	AbortAfter   int    `json:"abort_after,omitempty"`
	Things       int    `json:"things"`           // how many it is for
	File         string `json:"file,omitempty"`   // SHA-256, 64 hex digits
	Forced       bool   `json:"forced,omitempty"` // was canceled with what was in progress
	Reason       string `json:"reason,omitempty"` // why it was canceled
	// Settled says that nothing of it is pending, nor will be.
	Settled bool `json:"settled,omitempty"`
}

// Order says what a job is to be. Document is one JSON object. File is the
// SHA-256 of a file that was taken by PutFile; devices find it as the stream
// that has the job's name, as its file 0.
type Order struct {
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	Things       []string        `json:"things"`
	Document     json.RawMessage `json:"document,omitempty"` // none: one that names the file
	File         string          `json:"file,omitempty"`
	Timeout      time.Duration   `json:"timeout_ns,omitempty"`
	Rate         int             `json:"rate,omitempty"`
	AbortPercent int             `json:"abort_percent,omitempty"`
	AbortAfter   int             `json:"abort_after,omitempty"`
}

var jobName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// check answers Invalid when no job can be so.
func (o *Order) check() error {
	bad := func(format string, args ...any) error {
		return shardlog.Errorf(shardlog.Invalid, "create job", format, args...)
	}
	switch {
	case !jobName.MatchString(o.Name):
		return bad("%q: a name is 1 to 64 of a-z, A-Z, 0-9, underline and hyphen", o.Name)
	case len(o.Description) > MaxDescription:
		return bad("a description of %d bytes, %d are allowed", len(o.Description), MaxDescription)
	case len(o.Things) == 0:
		return bad("it is for no thing")
	case len(o.Things) > MaxTargets:
		return bad("%d things, %d are allowed", len(o.Things), MaxTargets)
	case len(o.Document) > MaxDocument:
		return bad("a document of %d bytes, %d are allowed", len(o.Document), MaxDocument)
	case !isObject(o.Document):
		return bad("the document is no JSON object")
	case o.Timeout < 0 || o.Timeout > MaxTimeout || o.Timeout > 0 && o.Timeout < time.Minute:
		return bad("a timeout of %v, 1m to %v are allowed", o.Timeout, MaxTimeout)
	case o.Rate < 0 || o.AbortAfter < 0 || o.AbortPercent < 0 || o.AbortPercent > 100:
		return bad("a rate, a share or a number is out of bounds")
	}
	for _, name := range o.Things {
		if !validThing(name) {
			return bad("no thing can have the name %q", name)
		}
	}
	return nil
}

func isObject(document json.RawMessage) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(document, &object) == nil && object != nil
}

// ended counts the executions that ended, and those of them that went wrong.
func ended(all []Execution) (done, wrong int) {
	for _, e := range all {
		if e.Status.Pending() {
			continue
		}
		done++
		if e.Status == Failed || e.Status == TimedOut || e.Status == Rejected {
			wrong++
		}
	}
	return done, wrong
}

// fails reports whether too many of its executions went wrong.
func (j Job) fails(all []Execution) bool {
	done, wrong := ended(all)
	return j.AbortPercent > 0 && done > 0 && done >= j.AbortAfter && wrong*100 >= j.AbortPercent*done
}

// allowed is how many executions may have been queued by now.
func (j Job) allowed(now time.Time) int {
	if j.Rate == 0 {
		return j.Things
	}
	return j.Rate * (1 + int(max(0, now.Sub(j.Created))/time.Minute))
}

// job reads one. Kinds: NotFound.
func (s *Service) job(ctx context.Context, name string) (Job, shardlog.Version, error) {
	b, version, err := s.c.States.Get(ctx, Jobs, name)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return Job{}, 0, shardlog.Errorf(shardlog.NotFound, "find job", "there is none with the name %q", name)
	}
	if err != nil {
		return Job{}, 0, err
	}
	j, err := parseJob(name, b)
	return j, version, err
}
