package jobs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headgate/ingest/jobs"
	"headgate/shardlog"
)

// running runs the duty of a gateway in a bubble until the test ends.
func running(t *testing.T, g *gateway) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func things(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("thing%03d", i))
	}
	return all
}

func (g *gateway) counts(job string) map[jobs.Status]int {
	g.t.Helper()
	d, err := g.Describe(g.t.Context(), job)
	if err != nil {
		g.t.Fatal(err)
	}
	return d.Counts
}

func TestExecutionsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		running(t, g)
		g.make(jobs.Order{Name: "job", Things: things(4), Timeout: 10 * time.Minute})
		g.ask("thing000", "jobs/start-next", `{}`)
		g.ask("thing001", "jobs/start-next", `{"stepTimeoutInMinutes":2}`)
		g.ask("thing002", "jobs/start-next", `{"stepTimeoutInMinutes":2}`)
		time.Sleep(time.Minute)
		g.ask("thing002", "jobs/job/update", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`)
		time.Sleep(time.Minute + 15*time.Second)
		want := []jobs.Status{jobs.InProgress, jobs.TimedOut, jobs.InProgress, jobs.Queued}
		for i, w := range want {
			if got := g.status("job", things(4)[i]); got != w {
				t.Errorf("after 2 minutes thing %d is %s, want %s", i, got, w)
			}
		}
		stored := g.site.stored(t)
		last := stored[len(stored)-1]
		if last.topic != "$aws/things/thing001/jobs/notify-next" || read(t, last).Execution != nil {
			t.Errorf("the device that was late was told %s: %s", last.topic, last.payload)
		}
		if got := read(t, g.ask("thing001", "jobs/job/update", `{"status":"SUCCEEDED"}`)[0]); got.Code != "InvalidStateTransition" || got.ExecutionState.Status != "TIMED_OUT" {
			t.Errorf("who comes late is told %+v", got)
		}
		time.Sleep(8 * time.Minute)
		if got := g.counts("job"); got[jobs.TimedOut] != 3 || got[jobs.Queued] != 1 {
			t.Errorf("after 10 minutes there are %v", got)
		}
		g.ask("thing003", "jobs/job/update", `{"status":"SUCCEEDED"}`)
		time.Sleep(15 * time.Second)
		if d, _ := g.Describe(t.Context(), "job"); d.Status != jobs.Completed || !d.Settled || g.Stats().Timeouts != 3 {
			t.Errorf("the job is %+v", d.Job)
		}
	})
}

func TestRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		running(t, g)
		g.make(jobs.Order{Name: "slow", Things: things(250), Rate: 60})
		for minute, want := range []int{60, 120, 180, 240, 250} {
			time.Sleep(5 * time.Second)
			d, err := g.Describe(t.Context(), "slow")
			if err != nil || d.Counts[jobs.Queued] != want || d.Waiting != 250-want {
				t.Errorf("in minute %d %v are queued and %d wait, want %d", minute, d.Counts, d.Waiting, want)
			}
			time.Sleep(55 * time.Second)
		}
	})
}

func TestTooManyFailuresCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		running(t, g)
		g.make(jobs.Order{Name: "bad", Things: things(20), Rate: 10, AbortPercent: 50, AbortAfter: 4})
		for i, status := range []string{"SUCCEEDED", "FAILED", "REJECTED"} {
			g.ask(things(20)[i], "jobs/bad/update", `{"status":"`+status+`"}`)
		}
		time.Sleep(15 * time.Second)
		if d, _ := g.Describe(t.Context(), "bad"); d.Status != jobs.Running {
			t.Errorf("after three it is %s", d.Status)
		}
		g.ask("thing003", "jobs/bad/update", `{"status":"FAILED"}`)
		g.ask("thing004", "jobs/bad/update", `{"status":"IN_PROGRESS"}`)
		time.Sleep(15 * time.Second)
		d, _ := g.Describe(t.Context(), "bad")
		if d.Status != jobs.Stopped || d.Reason == "" || d.Waiting != 0 || d.Counts[jobs.Canceled] != 5 || d.Counts[jobs.InProgress] != 1 || d.Settled {
			t.Errorf("after four it is %+v with %v", d.Job, d.Counts)
		}
		g.ask("thing004", "jobs/bad/update", `{"status":"SUCCEEDED"}`)
		time.Sleep(15 * time.Second)
		if d, _ = g.Describe(t.Context(), "bad"); !d.Settled || d.Status != jobs.Stopped {
			t.Errorf("with nothing pending it is %+v", d.Job)
		}
	})
}

func TestCancelAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		ctx := t.Context()
		running(t, g)
		g.make(jobs.Order{Name: "job", Things: []string{"press", "lathe"}})
		g.ask("press", "jobs/start-next", ``)
		if err := g.Delete(ctx, "job", false); shardlog.KindOf(err) != shardlog.InUse {
			t.Errorf("a job with something pending: %v", err)
		}
		if _, err := g.Cancel(ctx, "job", "not now", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if g.status("job", "press") != jobs.InProgress || g.status("job", "lathe") != jobs.Canceled {
			t.Errorf("canceled, there are %v", g.counts("job"))
		}
		if got := read(t, g.ask("lathe", "jobs/job/update", `{"status":"IN_PROGRESS"}`)[0]); got.ExecutionState.Status != "CANCELED" {
			t.Errorf("the device is told %+v", got)
		}
		if _, err := g.Cancel(ctx, "job", "", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if g.status("job", "press") != jobs.Canceled {
			t.Errorf("forced, there are %v", g.counts("job"))
		}
		if _, err := g.Cancel(ctx, "job", "", true); shardlog.KindOf(err) != shardlog.InUse {
			t.Errorf("canceled again: %v", err)
		}
		if err := g.Delete(ctx, "job", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := g.Describe(ctx, "job"); shardlog.KindOf(err) != shardlog.NotFound {
			t.Errorf("deleted, it is described: %v", err)
		}
		g.nothingLeft()
		if _, err := g.Cancel(ctx, "job", "", true); shardlog.KindOf(err) != shardlog.NotFound {
			t.Errorf("one that is gone: %v", err)
		}
	})
}

// nothingLeft sees that no row of a job is left.
func (g *gateway) nothingLeft() {
	g.t.Helper()
	for _, space := range []shardlog.Space{jobs.Jobs, jobs.Documents, jobs.Targets, jobs.Executions} {
		for key := range g.site.List(g.t.Context(), space, "") {
			g.t.Errorf("%s %q is left", space, key)
		}
	}
}

func TestDeletedWhileItIsRolledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		running(t, g)
		g.make(jobs.Order{Name: "job", Things: things(150), Rate: 70})
		if err := g.Delete(t.Context(), "job", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		g.nothingLeft()
	})
}

func TestOrdersThatAreNone(t *testing.T) {
	g := newSite(t).gateway(t)
	good := jobs.Order{Name: "job", Things: []string{"press"}, Document: []byte(`{}`)}
	for _, c := range []struct {
		name string
		kind shardlog.Kind
		edit func(*jobs.Order)
	}{
		{"no name", shardlog.Invalid, func(o *jobs.Order) { o.Name = "" }},
		{"a name with a slash", shardlog.Invalid, func(o *jobs.Order) { o.Name = "a/b" }},
		{"no thing", shardlog.Invalid, func(o *jobs.Order) { o.Things = nil }},
		{"a thing with a level", shardlog.Invalid, func(o *jobs.Order) { o.Things = []string{"a/b"} }},
		{"too many things", shardlog.Invalid, func(o *jobs.Order) { o.Things = things(jobs.MaxTargets + 1) }},
		{"no document", shardlog.Invalid, func(o *jobs.Order) { o.Document = nil }},
		{"a list", shardlog.Invalid, func(o *jobs.Order) { o.Document = []byte(`[]`) }},
		{"null", shardlog.Invalid, func(o *jobs.Order) { o.Document = []byte(`null`) }},
		{"a long document", shardlog.Invalid, func(o *jobs.Order) { o.Document = []byte(`{"a":"` + strings.Repeat("x", jobs.MaxDocument) + `"}`) }},
		{"a short timeout", shardlog.Invalid, func(o *jobs.Order) { o.Timeout = time.Second }},
		{"a long timeout", shardlog.Invalid, func(o *jobs.Order) { o.Timeout = 8 * 24 * time.Hour }},
		{"no such file", shardlog.NotFound, func(o *jobs.Order) { o.File = strings.Repeat("0", 64) }},
		{"a name twice", shardlog.InUse, func(o *jobs.Order) { g.make(*o) }},
		{"too many jobs", shardlog.LimitExceeded, func(o *jobs.Order) {
			for i := range jobs.MaxJobs - 1 {
				g.make(jobs.Order{Name: fmt.Sprint("more", i), Things: []string{"x"}})
			}
		}},
	} {
		o := good
		if c.edit(&o); c.name == "too many jobs" {
			o.Name = "another"
		}
		if _, err := g.Create(t.Context(), o); shardlog.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
	}
}

func TestFilesThatNoJobNeedsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSite(t).gateway(t)
		ctx := t.Context()
		running(t, g)
		image, hash := file(1000)
		for range 2 { // the second time it is there
			if f, err := g.PutFile(ctx, hash, bytes.NewReader(image)); err != nil || f.Size != 1000 {
				t.Fatal(f, err)
			}
		}
		g.make(jobs.Order{Name: "a", Things: []string{"press"}, File: hash})
		g.make(jobs.Order{Name: "b", Things: []string{"press"}, File: hash})
		time.Sleep(48 * time.Hour)
		left := func() int {
			return len(slices.Collect(keys(g, jobs.Files))) + len(slices.Collect(keys(g, shardlog.Cursors)))
		}
		if left() != 2 {
			t.Error("a file that is needed was forgotten")
		}
		for _, name := range []string{"a", "b"} {
			if err := g.Delete(ctx, name, true); err != nil {
				t.Fatal(err)
			}
			time.Sleep(23 * time.Hour)
			if left() != 2 {
				t.Errorf("forgotten too early after %s", name)
			}
		}
		time.Sleep(3 * time.Hour)
		if left() != 0 {
			t.Error("a file that nobody needs stays")
		}
	})
}

func keys(g *gateway, space shardlog.Space) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range g.site.List(g.t.Context(), space, "") {
			if !yield(key) {
				return
			}
		}
	}
}

// file is one of so many bytes that do not compress, and its hash.
func file(size int) (image []byte, hash string) {
	image = make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(image) // never fails
	sum := sha256.Sum256(image)
	return image, hex.EncodeToString(sum[:])
}
