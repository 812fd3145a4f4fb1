package videoapi_test

import (
	"testing"
	"time"

	"headgate/gateway/videoapi"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

func TestGrants(t *testing.T) {
	states := shardlogtest.NewMemory()
	here, there, elsewhere := &videoapi.Grants{States: states}, &videoapi.Grants{States: states}, &videoapi.Grants{States: shardlogtest.NewMemory()}
	now := time.Unix(1_790_000_000, 0)
	token, err := here.Seal(t.Context(), "door", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	last := token[len(token)-1:]
	if last == "A" {
		last = "E"
	} else {
		last = "A"
	}
	for name, c := range map[string]struct {
		grants *videoapi.Grants
		token  string
		camera shardlog.StreamName
		now    time.Time
		denied bool
	}{
		"as it was given":         {here, token, "door", now, false},
		"by another gateway":      {there, token, "door", now.Add(59 * time.Second), false},
		"of another site":         {elsewhere, token, "door", now, true},
		"for another camera":      {here, token, "yard", now, true},
		"for a longer name":       {here, token, "doo", now, true},
		"when it has run out":     {here, token, "door", now.Add(time.Minute), true},
		"changed":                 {here, token[:len(token)-1] + last, "door", now, true},
		"with a later end":        {here, "B" + token[1:], "door", now, true},
		"nothing":                 {here, "", "door", now, true},
		"what is no token at all": {here, "?", "door", now, true},
	} {
		err := c.grants.Check(t.Context(), c.token, c.camera, c.now)
		if denied := err != nil && shardlog.KindOf(err) == shardlog.Denied; denied != c.denied || err != nil && !denied {
			t.Errorf("%s: %v", name, err)
		}
	}
}
