package shadow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/ingest"
	"headgate/ingest/shadow"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// rig is a service over a log in memory, at a time that stands still.
type rig struct {
	*shadow.Service
	log *shardlogtest.Memory
	mu  sync.Mutex
	at  time.Time
}

func open(t *testing.T, change ...func(*shadow.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory(), at: time.Unix(1700000000, 0)}
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "things", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	c := shadow.Config{States: r.log, Announce: r.announce, Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.at
	}}
	for _, f := range change {
		f(&c)
	}
	var err error
	if r.Service, err = shadow.New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = r.at.Add(d)
}

// announce keeps what is announced as records; the topic stands in front.
func (r *rig) announce(ctx context.Context, key string, all []ingest.Announcement, with ...shardlog.Mutation) error {
	var entries []shardlog.Entry
	for _, a := range all {
		entries = append(entries, shardlog.Entry{Key: key, Data: []byte(a.Topic + " " + string(a.Payload))})
	}
	results, err := r.log.Put(ctx, "things", entries, with...)
	if err != nil {
		return err
	}
	return results[0].Err
}

// told is what was announced since the last time.
func (r *rig) told(seen *int) (all []string) {
	records := r.log.Records("things")
	for _, one := range records[*seen:] {
		all = append(all, string(one.Data))
	}
	*seen = len(records)
	return all
}

func (r *rig) publish(t *testing.T, topic, payload string) {
	t.Helper()
	if !r.Takes(topic) {
		t.Fatalf("%s is not taken", topic)
	}
	if err := r.Serve(t.Context(), ingest.Request{ClientID: "c", Topic: topic, Payload: []byte(payload)}); err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
}

// TestConversation is what one thing and one application say to each other, as
// AWS's developer guide has it ("Interacting with shadows").
func TestConversation(t *testing.T) {
	r, seen := open(t), 0
	for _, step := range []struct {
		do, payload string
		later       time.Duration
		want        []string
	}{
		{do: "get", payload: `{"clientToken":"g"}`, want: []string{
			`get/rejected {"clientToken":"g","code":404,"message":"No shadow exists with name: 'lamp'","timestamp":1700000000}`}},
		{do: "update", payload: `{"state":{"desired":{"color":"RED"}},"clientToken":"u1"}`, later: time.Second, want: []string{
			`update/accepted {"clientToken":"u1","metadata":{"desired":{"color":{"timestamp":1700000001}}},"state":{"desired":{"color":"RED"}},"timestamp":1700000001,"version":1}`,
			`update/delta {"clientToken":"u1","metadata":{"color":{"timestamp":1700000001}},"state":{"color":"RED"},"timestamp":1700000001,"version":1}`,
			`update/documents {"clientToken":"u1","current":{"metadata":{"desired":{"color":{"timestamp":1700000001}}},"state":{"desired":{"color":"RED"}},"version":1},"previous":{"metadata":{},"state":{},"version":0},"timestamp":1700000001}`}},
		{do: "update", payload: `{"state":{"reported":{"color":"GREEN","w":1.50,"list":[1,{"a":2}]}},"version":1}`, later: time.Second, want: []string{
			`update/accepted {"metadata":{"reported":{"color":{"timestamp":1700000002},"list":[{"timestamp":1700000002},{"a":{"timestamp":1700000002}}],"w":{"timestamp":1700000002}}},"state":{"reported":{"color":"GREEN","list":[1,{"a":2}],"w":1.50}},"timestamp":1700000002,"version":2}`,
			`update/delta {"metadata":{"color":{"timestamp":1700000001}},"state":{"color":"RED"},"timestamp":1700000002,"version":2}`,
			`update/documents`}},
		{do: "get", want: []string{
			`get/accepted {"metadata":{"desired":{"color":{"timestamp":1700000001}},"reported":{"color":{"timestamp":1700000002},"list":[{"timestamp":1700000002},{"a":{"timestamp":1700000002}}],"w":{"timestamp":1700000002}}},"state":{"delta":{"color":"RED"},"desired":{"color":"RED"},"reported":{"color":"GREEN","list":[1,{"a":2}],"w":1.50}},"timestamp":1700000002,"version":2}`}},
		{do: "update", payload: `{"state":{"reported":{"color":"RED","list":null,"w":null}}}`, want: []string{
			`update/accepted {"metadata":{"reported":{"color":{"timestamp":1700000002}}},"state":{"reported":{"color":"RED","list":null,"w":null}},"timestamp":1700000002,"version":3}`,
			`update/documents`}},
		{do: "update", payload: `{"state":{"desired":null},"version":2,"clientToken":"old"}`, want: []string{
			`update/rejected {"clientToken":"old","code":409,"message":"Version conflict","timestamp":1700000002}`}},
		{do: "update", payload: `{"state":{"desired":null}}`, want: []string{
			`update/accepted {"metadata":{},"state":{"desired":null},"timestamp":1700000002,"version":4}`,
			`update/documents {"current":{"metadata":{"reported":{"color":{"timestamp":1700000002}}},"state":{"reported":{"color":"RED"}},"version":4},"previous":{"metadata":{"desired":{"color":{"timestamp":1700000001}},"reported":{"color":{"timestamp":1700000002}}},"state":{"desired":{"color":"RED"},"reported":{"color":"RED"}},"version":3},"timestamp":1700000002}`}},
		{do: "delete", payload: `{"clientToken":"d"}`, want: []string{`delete/accepted {"clientToken":"d","timestamp":1700000002,"version":4}`}},
		{do: "delete", want: []string{`delete/rejected {"code":404`}},
		{do: "get", want: []string{`get/rejected {"code":404`}},
		{do: "update", payload: `{"state":{"desired":{}}}`, want: []string{
			`update/accepted {"metadata":{"desired":{}},"state":{"desired":{}},"timestamp":1700000002,"version":5}`, `update/documents`}},
		{do: "delete", want: []string{`delete/accepted {"timestamp":1700000002,"version":5}`}},
		{do: "update", payload: `{"state":{"desired":{}}}`, later: 49 * time.Hour, want: []string{`update/accepted {"metadata":{"desired":{}},"state":{"desired":{}},"timestamp":1700176402,"version":1}`, `update/documents`}},
	} {
		r.pass(step.later)
		r.publish(t, "$aws/things/lamp/shadow/"+step.do, step.payload)
		got := r.told(&seen)
		if len(got) != len(step.want) {
			t.Fatalf("%s %s: announced %q", step.do, step.payload, got)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], "$aws/things/lamp/shadow/"+step.want[i]) {
				t.Errorf("%s %s:\n got %s\nwant %s", step.do, step.payload, got[i], step.want[i])
			}
		}
	}
}

func TestNamedShadows(t *testing.T) {
	r, seen := open(t), 0
	r.publish(t, "$aws/things/a:b_c-1/shadow/name/$c:f_g-1/update", `{"state":{"reported":{"on":true}}}`)
	r.publish(t, "$aws/things/a:b_c-1/shadow/update", `{"state":{"reported":{"on":false}}}`)
	if got := r.told(&seen); len(got) != 4 || !strings.HasPrefix(got[0], "$aws/things/a:b_c-1/shadow/name/$c:f_g-1/update/accepted ") ||
		!strings.HasPrefix(got[2], "$aws/things/a:b_c-1/shadow/update/accepted ") {
		t.Errorf("announced %q", got)
	}
	names, err := r.List(t.Context(), "a:b_c-1")
	if err != nil || !reflect.DeepEqual(names, []string{"", "$c:f_g-1"}) {
		t.Errorf("names %q, %v", names, err)
	}
	if names, err := r.List(t.Context(), "a:b_c-"); err != nil || names != nil {
		t.Errorf("names of another: %q, %v", names, err)
	}
	_, err = r.Get(t.Context(), shadow.ID{Thing: "x", Name: "n"})
	if err == nil || err.Error() != "404: No shadow exists with name: 'x~n'" {
		t.Error(err)
	}
}

func TestTopicsThatNameNoShadow(t *testing.T) {
	r := open(t)
	for topic, want := range map[string]shardlog.Kind{
		"$aws/things/a/shadow/update/accepted": shardlog.Denied, "$aws/things/a/shadow/name/b/delta": shardlog.Denied,
		"$aws/things/a b/shadow/get": shardlog.Invalid, "$aws/things//shadow/get": shardlog.Invalid,
		"$aws/things/a/shadow/name/b c/get": shardlog.Invalid, "$aws/things/a/shadow/": shardlog.Denied,
		"$aws/things/" + strings.Repeat("a", 129) + "/shadow/get": shardlog.Invalid, "$aws/things/a/shadow/name/" + strings.Repeat("a", 65) + "/get": shardlog.Invalid,
	} {
		if !r.Takes(topic) {
			t.Errorf("%s is not taken", topic)
		}
		if err := r.Serve(t.Context(), ingest.Request{Topic: topic}); shardlog.KindOf(err) != want {
			t.Errorf("%s: %v", topic, err)
		}
	}
	for _, topic := range []string{"", "$aws/things", "$aws/things/a/jobs/get", "$aws/things/a/shadow", "aws/things/a/shadow/get", "$aws/things/a/shadows/get"} {
		if r.Takes(topic) {
			t.Errorf("%s is taken", topic)
		}
	}
}

func TestRejections(t *testing.T) {
	r := open(t)
	deep := func(n int) string {
		return `{"state":{"desired":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}}`
	}
	full := func(n int) string { return `{"state":{"desired":{"a":"` + strings.Repeat("x", n-8) + `"}}}` }
	for _, c := range []struct {
		payload string
		code    int
		message string
	}{
		{``, 400, "Invalid JSON"}, {`{`, 400, "Invalid JSON"}, {`[]`, 400, "Invalid JSON"}, {`{"state":{}} x`, 400, "Invalid JSON"},
		{`{"state":{"desired":{"a":1,"a":2}}}`, 400, "Invalid JSON"}, {"{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", 400, "Invalid JSON"},
		{`{}`, 400, "Missing required node: state"}, {`{"state":1}`, 400, "State node must be an object"}, {`{"state":null}`, 400, "State node must be an object"},
		{`{"state":{"desired":1}}`, 400, "Desired node must be an object"}, {`{"state":{"reported":[]}}`, 400, "Reported node must be an object"},
		{`{"state":{"foo":{}}}`, 400, "State contains an invalid node: 'foo'"},
		{`{"state":{},"version":"1"}`, 400, "Invalid version"}, {`{"state":{},"version":1.5}`, 400, "Invalid version"}, {`{"state":{},"version":-1}`, 400, "Invalid version"},
		{`{"state":{},"clientToken":1}`, 400, "Invalid clientToken"}, {`{"state":{},"clientToken":"` + strings.Repeat("t", 65) + `"}`, 400, "Invalid clientToken"},
		{`{"state":{},"version":7}`, 409, "Version conflict"},
		{deep(9), 0, ""}, {deep(10), 400, "JSON contains too many levels of nesting; maximum is 8"},
		{full(shadow.MaxState), 0, ""}, {full(shadow.MaxState + 1), 413, "The payload exceeds the maximum size allowed"},
		{`{"state":{}}` + strings.Repeat(" ", shadow.MaxPayload), 413, "The payload exceeds the maximum size allowed"},
		{`{"state":{"desired":{"é":1e400}},"version":0,"clientToken":"` + strings.Repeat("t", 64) + `","other":[]}`, 0, ""},
	} {
		id := shadow.ID{Thing: "t" + fmt.Sprint(len(c.payload))}
		_, err := r.Update(t.Context(), id, []byte(c.payload))
		var why *shadow.Rejection
		errors.As(err, &why)
		switch {
		case c.code == 0 && err != nil, c.code != 0 && (why == nil || why.Code != c.code || why.Message != c.message):
			t.Errorf("%.60s: %v, want %d %s", c.payload, err, c.code, c.message)
		}
	}
	if s := r.Stats(); s.Rejected[400] != 18 || s.Rejected[413] != 2 || s.Rejected[409] != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestManyWriters: none of the updates is lost, and they are announced in the
// order of their versions.
func TestManyWriters(t *testing.T) {
	r, seen := open(t), 0
	const writers, each = 8, 10
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				patch := fmt.Sprintf(`{"state":{"reported":{"w%d":{"n%d":1}}}}`, w, n)
				for {
					_, err := r.Update(context.Background(), shadow.ID{Thing: "t"}, []byte(patch))
					if err == nil {
						break
					}
					if shardlog.KindOf(err) != shardlog.Throttled {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	version := 0
	for _, line := range r.told(&seen) {
		topic, payload, _ := strings.Cut(line, " ")
		if !strings.HasSuffix(topic, "/accepted") {
			continue
		}
		var one struct{ Version int }
		if err := json.Unmarshal([]byte(payload), &one); err != nil || one.Version != version+1 {
			t.Fatalf("version %d after %d, %v", one.Version, version, err)
		}
		version++
	}
	b, err := r.Get(t.Context(), shadow.ID{Thing: "t"})
	if err != nil || version != writers*each || !strings.Contains(string(b), `"version":80`) {
		t.Errorf("%d versions, %v: %s", version, err, b)
	}
}

func TestBounds(t *testing.T) {
	r := open(t, func(c *shadow.Config) { c.Most = shadow.MaxNamed + 2 })
	set := func(thing string, n int) error {
		_, err := r.Update(t.Context(), shadow.ID{Thing: thing, Name: fmt.Sprintf("n%03d", n)}, []byte(`{"state":{}}`))
		return err
	}
	for n := range shadow.MaxNamed {
		if err := set("a", n); err != nil {
			t.Fatal(err)
		}
	}
	var why *shadow.Rejection
	if err := set("a", 100); !errors.As(err, &why) || why.Code != 400 {
		t.Errorf("one more shadow: %v", err)
	}
	if _, err := r.Delete(t.Context(), shadow.ID{Thing: "a", Name: "n007"}); err != nil {
		t.Fatal(err)
	}
	if err := set("a", 100); err != nil {
		t.Errorf("in the place of one that was deleted: %v", err)
	}
	if names, _ := r.List(t.Context(), "a"); len(names) != shadow.MaxNamed {
		t.Errorf("%d shadows", len(names))
	}
	if err := errors.Join(set("b", 1), set("b", 2)); err != nil {
		t.Fatal(err)
	}
	if err := set("b", 3); !errors.As(err, &why) {
		t.Errorf("one shadow too many of all: %v", err)
	}
	if _, err := r.Delete(t.Context(), shadow.ID{Thing: "a", Name: "n001"}); err != nil {
		t.Fatal(err)
	}
	r.pass(49 * time.Hour) // what it left is forgotten
	if err := set("b", 3); err != nil || r.Stats().Shadows != shadow.MaxNamed+2 {
		t.Errorf("%v, %+v", err, r.Stats())
	}
}

// TestWhatCannotBeStored: nothing is changed, and the client is told to try again.
func TestWhatCannotBeStored(t *testing.T) {
	down := errors.New("down")
	r := open(t, func(c *shadow.Config) {
		c.Announce = func(context.Context, string, []ingest.Announcement, ...shardlog.Mutation) error {
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: "put", Err: down}
		}
	})
	err := r.Serve(t.Context(), ingest.Request{Topic: "$aws/things/a/shadow/update", Payload: []byte(`{"state":{}}`)})
	if shardlog.KindOf(err) != shardlog.Unavailable {
		t.Error(err)
	}
	if err := r.Serve(t.Context(), ingest.Request{Topic: "$aws/things/a/shadow/get"}); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Error(err)
	}
}
