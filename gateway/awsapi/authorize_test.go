package awsapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway/awsapi"
)

// The authorizer learns who asks for what from where; the audit hears of it
// once, and of data only when it is denied.
func TestAuthorizer(t *testing.T) {
	var mu sync.Mutex
	var events []awsapi.Event
	door, url := open(t, func(c *awsapi.Config) {
		s := parrot()
		s.Actions = "bird"
		s.Needs = func(_ context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
			if c.In.Text("Word") == "nobody" {
				return nil, awsapi.Fail("ResourceNotFoundException", "No such word.")
			}
			return []awsapi.Need{{Resource: "arn:word/" + c.In.Text("Word")}}, nil
		}
		whisper := s.Ops["Say"]
		whisper.Data = true
		s.Ops["Whisper"] = whisper
		c.Services = []awsapi.Service{s}
		c.Authorize = func(ctx context.Context, ask *awsapi.Ask) error {
			needs, err := ask.Needs(ctx)
			if err != nil {
				return err
			}
			if !ask.Source.IsLoopback() || ask.Secure || ask.Caller.KeyID != keyID {
				t.Errorf("asked %+v", ask)
			}
			if needs[0].Resource == "arn:word/secret" {
				return awsapi.Fail("AccessDeniedException", "no %s on %s", needs[0].Action, needs[0].Resource)
			}
			return nil
		}
		c.Audit = func(e awsapi.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}
	})
	for _, c := range []struct {
		operation, word, want string
		told                  string // resource and code of the event
	}{
		{"Say", "hi", `"Word":"hi"`, "arn:word/hi "},
		{"Say", "secret", "no bird:Say on arn:word/secret", "arn:word/secret AccessDeniedException"},
		{"Say", "nobody", "No such word.", " ResourceNotFoundException"},
		{"Say", "", "ValidationException", " ValidationException"},
		{"Whisper", "hi", `"Word":"hi"`, ""},
		{"Whisper", "secret", "no bird:Whisper on", "arn:word/secret AccessDeniedException"},
	} {
		events = nil
		r := request(t, url, `{"Word":"`+c.word+`"}`)
		r.Header.Set("X-Amz-Target", "Parrot_20200101."+c.operation)
		got := send(t, sign(t, r, owner, "us-east-1", time.Now()))
		if !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s: %s", c.operation, c.word, got.body)
		}
		mu.Lock()
		told := ""
		for _, e := range events {
			told += e.Resource + " " + e.Code
			if e.Action != "bird:"+c.operation || e.Caller.KeyID != keyID || e.RequestID != got.header.Get("x-amzn-RequestId") {
				t.Errorf("told %+v", e)
			}
		}
		mu.Unlock()
		if told != c.told {
			t.Errorf("%s %s: told %q, want %q", c.operation, c.word, told, c.told)
		}
	}
	if s := door.Stats().Ops["parrot.Say"]; s.Denied != 1 || s.Calls != 4 || s.Errors != 3 {
		t.Errorf("%+v", s)
	}
}

// In open mode there is nobody who could be allowed anything.
func TestOpenModeAsksNoAuthorizer(t *testing.T) {
	_, url := open(t, func(c *awsapi.Config) {
		c.Open, c.Keys = true, nil
		c.Authorize = func(context.Context, *awsapi.Ask) error { return awsapi.Fail("AccessDeniedException", "no") }
	})
	if got := send(t, request(t, url, `{"Word":"hi"}`)); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
