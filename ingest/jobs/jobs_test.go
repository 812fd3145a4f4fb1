package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/ingest"
	"headgate/ingest/jobs"
	"headgate/shardlog"
)

func TestTransitions(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string // updates that bring the execution to where the case begins
		update string
		want   string // state afterwards, or code
	}{
		{"a device starts without start-next", nil, "IN_PROGRESS", "IN_PROGRESS"},
		{"done at once", nil, "SUCCEEDED", "SUCCEEDED"},
		{"fails at once", nil, "FAILED", "FAILED"},
		{"is not for this device", nil, "REJECTED", "REJECTED"},
		{"progress", []string{"IN_PROGRESS"}, "IN_PROGRESS", "IN_PROGRESS"},
		{"done", []string{"IN_PROGRESS"}, "SUCCEEDED", "SUCCEEDED"},
		{"failed", []string{"IN_PROGRESS"}, "FAILED", "FAILED"},
		{"rejected late", []string{"IN_PROGRESS"}, "REJECTED", "REJECTED"},
		{"done stays done", []string{"SUCCEEDED"}, "IN_PROGRESS", "InvalidStateTransition"},
		{"done twice", []string{"SUCCEEDED"}, "SUCCEEDED", "InvalidStateTransition"},
		{"failed stays failed", []string{"FAILED"}, "SUCCEEDED", "InvalidStateTransition"},
		{"rejected stays rejected", []string{"REJECTED"}, "IN_PROGRESS", "InvalidStateTransition"},
		{"no way back", []string{"IN_PROGRESS"}, "QUEUED", "InvalidRequest"},
		{"devices do not time out themselves", []string{"IN_PROGRESS"}, "TIMED_OUT", "InvalidRequest"},
		{"devices do not cancel", nil, "CANCELED", "InvalidRequest"},
		{"devices do not remove", nil, "REMOVED", "InvalidRequest"},
		{"no such state", nil, "DONE", "InvalidRequest"},
		{"none at all", nil, "", "InvalidRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSite(t).gateway(t)
			g.make(jobs.Order{Name: "job", Things: []string{"press"}})
			for _, status := range c.before {
				g.ask("press", "jobs/job/update", `{"status":"`+status+`"}`)
			}
			before := g.status("job", "press")
			all := g.ask("press", "jobs/job/update", `{"status":"`+c.update+`","includeJobExecutionState":true,"clientToken":"t"}`)
			answer := read(t, all[0])
			if answer.ClientToken != "t" || time.Since(time.Unix(answer.Timestamp, 0)).Abs() > near {
				t.Errorf("the answer has token %q and time %d", answer.ClientToken, answer.Timestamp)
			}
			if strings.ToUpper(c.want) != c.want { // a code
				if all[0].topic != "$aws/things/press/jobs/job/update/rejected" || answer.Code != c.want || g.status("job", "press") != before {
					t.Errorf("%s says %s (%s), want %s", all[0].topic, answer.Code, answer.Message, c.want)
				}
				if (answer.ExecutionState != nil) != (c.want == "InvalidStateTransition") {
					t.Errorf("%s comes with state %v", c.want, answer.ExecutionState)
				}
				return
			}
			if all[0].topic != "$aws/things/press/jobs/job/update/accepted" || answer.ExecutionState == nil || answer.ExecutionState.Status != c.want {
				t.Fatalf("%s: %s", all[0].topic, all[0].payload)
			}
			if got := g.status("job", "press"); string(got) != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
			if want := len(c.before) + 2; answer.ExecutionState.VersionNumber != want {
				t.Errorf("version %d, want %d", answer.ExecutionState.VersionNumber, want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	g := newSite(t).gateway(t)
	g.make(jobs.Order{Name: "job", Things: []string{"press"}})
	g.make(jobs.Order{Name: "done", Things: []string{"press"}})
	g.ask("press", "jobs/done/update", `{"status":"SUCCEEDED"}`)
	many := `"a":"1"`
	for i := range 10 {
		many += fmt.Sprintf(`,"a%d":"1"`, i)
	}
	for _, c := range []struct{ what, payload, code string }{
		{"jobs/job/fetch", `{}`, "InvalidTopic"},
		{"jobs/job", `{}`, "InvalidTopic"},
		{"jobs/a/b/get", `{}`, "InvalidTopic"},
		{"jobs/get", `{"clientToken":`, "InvalidJson"},
		{"jobs/get", "\xff\xfe", "InvalidJson"},
		{"jobs/get", "{\"clientToken\":\"\xff\"}", "InvalidJson"},
		{"jobs/get", `[]`, "InvalidRequest"},
		{"jobs/get", `{"clientToken":7}`, "InvalidRequest"},
		{"jobs/get", `{"clientToken":"` + strings.Repeat("x", 65) + `"}`, "InvalidRequest"},
		{"jobs/get", `{"clientToken":"` + strings.Repeat(" ", 70000) + `"}`, "InvalidRequest"},
		{"jobs/start-next", `{"stepTimeoutInMinutes":0}`, "InvalidRequest"},
		{"jobs/start-next", `{"stepTimeoutInMinutes":10081}`, "InvalidRequest"},
		{"jobs/start-next", `{"stepTimeoutInMinutes":"1"}`, "InvalidRequest"},
		{"jobs/start-next", `{"statusDetails":{"a b":"1"}}`, "InvalidRequest"},
		{"jobs/start-next", `{"statusDetails":{"a":1}}`, "InvalidRequest"},
		{"jobs/start-next", `{"statusDetails":{"a":""}}`, "InvalidRequest"},
		{"jobs/start-next", `{"statusDetails":{"a":"` + strings.Repeat("x", 1025) + `"}}`, "InvalidRequest"},
		{"jobs/start-next", `{"statusDetails":{` + many + `}}`, "InvalidRequest"},
		{"jobs/job/update", `{"status":"IN_PROGRESS","expectedVersion":"one"}`, "InvalidRequest"},
		{"jobs/job/update", `{"status":"IN_PROGRESS","expectedVersion":7}`, "VersionMismatch"},
		{"jobs/job/update", `{"status":"IN_PROGRESS","expectedVersion":"7"}`, "VersionMismatch"},
		{"jobs/job/update", `{"status":"IN_PROGRESS","executionNumber":2}`, "ResourceNotFound"},
		{"jobs/none/update", `{"status":"IN_PROGRESS"}`, "ResourceNotFound"},
		{"jobs/$next/update", `{"status":"IN_PROGRESS"}`, "ResourceNotFound"},
		{"jobs/none/get", `{}`, "ResourceNotFound"},
		{"jobs/job/get", `{"executionNumber":2}`, "ResourceNotFound"},
		{"jobs/done/get", ``, "TerminalStateReached"},
		{"jobs/done/update", `{"status":"SUCCEEDED"}`, "InvalidStateTransition"},
	} {
		stored := len(g.site.stored(t))
		all := g.ask("press", c.what, c.payload)
		if len(all) != 1 || all[0].topic != "$aws/things/press/"+c.what+"/rejected" || all[0].client != "press" {
			t.Errorf("%s %.60s: %d answers, the first on %s", c.what, c.payload, len(all), all[0].topic)
			continue
		}
		if got := read(t, all[0]); got.Code != c.code || got.Message == "" || (got.ExecutionState != nil) != (c.code == "VersionMismatch" || c.code == "InvalidStateTransition") {
			t.Errorf("%s %.60s: %s, want %s", c.what, c.payload, all[0].payload, c.code)
		}
		if len(g.site.stored(t)) != stored {
			t.Errorf("%s %.60s: the refusal was stored", c.what, c.payload)
		}
	}
	if g.status("job", "press") != jobs.Queued {
		t.Error("a refused request changed something")
	}
	for _, code := range []string{"InvalidTopic", "VersionMismatch"} {
		if g.Stats().Refused[code] == 0 {
			t.Errorf("%s was not counted", code)
		}
	}
}

func TestTopicsThatClientsDoNotPublishTo(t *testing.T) {
	g := newSite(t).gateway(t)
	for _, topic := range []string{"jobs/notify", "jobs/notify-next", "jobs/get/accepted", "jobs/j/update/rejected", "streams/s/data/cbor", "streams/s/rejected/json"} {
		topic = "$aws/things/press/" + topic
		err := g.Serve(t.Context(), ingest.Request{ClientID: "press", Topic: topic})
		if !g.Takes(topic) || shardlog.KindOf(err) != shardlog.Denied {
			t.Errorf("%s: taken %v, %v", topic, g.Takes(topic), err)
		}
	}
	for _, topic := range []string{"$aws/things/press/shadow/get", "$aws/things/press/jobs", "d/press/jobs/get", "$aws/rules/r"} {
		if g.Takes(topic) {
			t.Errorf("%s is taken", topic)
		}
	}
}

func TestDeviceThatWasAwayFindsItsJobs(t *testing.T) {
	g := newSite(t).gateway(t)
	g.make(jobs.Order{Name: "first", Things: []string{"press", "lathe"}, Document: []byte(`{"do":"this"}`)})
	g.make(jobs.Order{Name: "second", Things: []string{"press"}})

	var topics []string // what waits in the log for the device
	for _, m := range g.site.stored(t) {
		if m.client == "press" {
			topics = append(topics, strings.TrimPrefix(m.topic, "$aws/things/press/jobs/"))
		}
	}
	if want := "notify notify-next notify"; strings.Join(topics, " ") != want {
		t.Errorf("there waits %v, want %s", topics, want)
	}
	got := read(t, g.ask("press", "jobs/get", `{"clientToken":"c1"}`)[0])
	if len(got.InProgressJobs) != 0 || len(got.QueuedJobs) != 2 || got.QueuedJobs[0].JobID != "first" || got.ClientToken != "c1" {
		t.Errorf("pending is %+v", got)
	}
	if got = read(t, g.ask("press", "jobs/$next/get", ``)[0]); got.Execution.JobID != "first" || got.Execution.JobDocument["do"] != "this" || got.Execution.Status != "QUEUED" {
		t.Errorf("next is %+v", got.Execution)
	}
	if got = read(t, g.ask("press", "jobs/second/get", `{"includeJobDocument":false}`)[0]); got.Execution.JobDocument != nil || got.Execution.ThingName != "press" {
		t.Errorf("second is %+v", got.Execution)
	}

	all := g.ask("press", "jobs/start-next", `{"statusDetails":{"step":"1"}}`)
	if got = read(t, all[0]); len(all) != 1 || got.Execution.Status != "IN_PROGRESS" || got.Execution.StatusDetails["step"] != "1" || got.Execution.VersionNumber != 2 || got.Execution.StartedAt == 0 {
		t.Errorf("started %d messages, %s", len(all), all[0].payload)
	}
	stored := len(g.site.stored(t))
	if got = read(t, g.ask("press", "jobs/start-next", `{"statusDetails":{"step":"2"}}`)[0]); got.Execution.StatusDetails["step"] != "1" || got.Execution.VersionNumber != 2 {
		t.Errorf("started again it is %+v", got.Execution)
	}
	if len(g.site.stored(t)) != stored {
		t.Error("what changed nothing was stored")
	}
	all = g.ask("press", "jobs/first/update", `{"status":"SUCCEEDED","expectedVersion":2,"includeJobDocument":true}`)
	if len(all) != 3 || read(t, all[0]).JobDocument["do"] != "this" || read(t, all[2]).Execution.JobID != "second" || len(read(t, all[1]).Jobs["QUEUED"]) != 1 {
		t.Errorf("the end brings %d messages: %s", len(all), all)
	}
	all = g.ask("press", "jobs/second/update", `{"status":"FAILED"}`)
	if len(all) != 3 || read(t, all[2]).Execution != nil || read(t, all[1]).Jobs == nil || len(read(t, all[1]).Jobs) != 0 {
		t.Errorf("the last end brings %d messages: %s", len(all), all)
	}
	for _, what := range []string{"jobs/start-next", "jobs/$next/get"} {
		if all = g.ask("press", what, `{}`); !strings.HasSuffix(all[0].topic, "/accepted") || read(t, all[0]).Execution != nil {
			t.Errorf("with nothing to do, %s says %s", what, all[0].payload)
		}
	}
}

// A job in progress comes before one that is queued and older.
func TestNextIsWhatIsInProgress(t *testing.T) {
	g := newSite(t).gateway(t)
	g.make(jobs.Order{Name: "one", Things: []string{"press"}})
	g.make(jobs.Order{Name: "two", Things: []string{"press"}})
	all := g.ask("press", "jobs/two/update", `{"status":"IN_PROGRESS"}`)
	if len(all) != 2 || !strings.HasSuffix(all[1].topic, "notify-next") || read(t, all[1]).Execution.JobID != "two" {
		t.Errorf("%d messages: %s", len(all), all)
	}
	if got := read(t, g.ask("press", "jobs/start-next", ``)[0]); got.Execution.JobID != "two" {
		t.Errorf("next is %s", got.Execution.JobID)
	}
}
