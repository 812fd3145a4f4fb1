package jobs_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"headgate/ingest"
	"headgate/ingest/jobs"
)

// A device that moved tells both gateways; only one of the two may believe it.
func TestTwoGatewaysOneVersion(t *testing.T) {
	s := newSite(t)
	a, b := s.gateway(t), s.gateway(t)
	a.make(jobs.Order{Name: "job", Things: []string{"press"}})
	var other []sent
	s.before = func() { other = b.ask("press", "jobs/job/update", `{"status":"SUCCEEDED","expectedVersion":1}`) }
	known := len(s.stored(t))
	err := a.Serve(t.Context(), ingest.Request{ClientID: "press", Topic: "$aws/things/press/jobs/job/update", Payload: []byte(`{"status":"FAILED","expectedVersion":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(other[0].topic, "accepted") || a.status("job", "press") != jobs.Succeeded {
		t.Errorf("the first got %s, it is %s", other[0].topic, a.status("job", "press"))
	}
	last := s.replies[len(s.replies)-1]
	if got := read(t, last); got.Code != "VersionMismatch" || got.ExecutionState.Status != "SUCCEEDED" {
		t.Errorf("the second got %s", last.payload)
	}
	if n := len(s.stored(t)) - known; n != 3 || a.Stats().Conflicts != 1 {
		t.Errorf("%d messages were stored, %d conflicts", n, a.Stats().Conflicts)
	}
}

// Whatever gateways do at the same time, the notices in the log tell one story:
// each next job differs from the one before, and the last is the one that is next.
func TestNoticesOfRacingGatewaysTellOneStory(t *testing.T) {
	s := newSite(t)
	gateways := []*gateway{s.gateway(t), s.gateway(t)}
	const number = 12
	for i := range number {
		gateways[0].make(jobs.Order{Name: fmt.Sprintf("job%02d", i), Things: []string{"press"}})
	}
	var all sync.WaitGroup
	for i := range number - 1 {
		all.Go(func() {
			for _, status := range []string{"IN_PROGRESS", "SUCCEEDED"} {
				topic := fmt.Sprintf("$aws/things/press/jobs/job%02d/update", i)
				for { // the door tries again what was not done
					err := gateways[i%2].Serve(t.Context(), ingest.Request{ClientID: "press", Topic: topic, Payload: []byte(`{"status":"` + status + `"}`)})
					if err == nil {
						break
					}
				}
			}
		})
	}
	all.Wait()
	next, pending := "", 0
	for _, m := range s.stored(t) {
		switch {
		case strings.HasSuffix(m.topic, "/notify-next"):
			now := ""
			if e := read(t, m).Execution; e != nil {
				now = e.JobID
			}
			if now == next {
				t.Errorf("%q is told twice as next", now)
			}
			next = now
		case strings.HasSuffix(m.topic, "/notify"):
			told := read(t, m).Jobs
			pending = len(told["QUEUED"]) + len(told["IN_PROGRESS"])
		case strings.HasSuffix(m.topic, "/rejected"):
			t.Errorf("%s: %s", m.topic, m.payload)
		}
	}
	if want := fmt.Sprintf("job%02d", number-1); next != want || pending != 1 {
		t.Errorf("the notices end with %q and %d pending, want %s and 1", next, pending, want)
	}
}
