package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/ingest"
	"headgate/ingest/iotsql"
	"headgate/ingest/rules"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// rig is a site whose records have their topic, and after a zero their hops,
// for metadata.
type rig struct {
	*shardlogtest.Memory
	t      *testing.T
	routes *ingest.Routes
	table  *rules.Table
	writer shardlog.Writer // of runners
	runner atomic.Pointer[rules.Runner]
}

func newRig(t *testing.T, streams ...shardlog.StreamName) *rig {
	t.Helper()
	routes, err := ingest.NewRoutes([]ingest.Route{{Filter: "alarm/#", Stream: "alarms"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Memory: shardlogtest.NewMemory(), t: t, routes: routes}
	r.writer = r.Memory
	r.table = &rules.Table{States: r.Memory, Catalog: r.Memory, Routes: routes, Publish: r.publish, Now: time.Now, Changed: func() {
		if run := r.runner.Load(); run != nil {
			run.Changed()
		}
	}}
	for _, name := range append(streams, "telemetry", "alarms") {
		if err := r.CreateStream(t.Context(), shardlog.StreamSpec{Name: name, Shards: 2}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func read(r shardlog.Record) (m iotsql.Message, ok bool) {
	topic, hops, found := strings.Cut(string(r.Meta), "\x00")
	if found {
		m.User = []iotsql.Property{{Name: "headgate-rule-hops", Value: hops}}
	}
	m.Topic, m.Client, m.Payload, m.Arrived = topic, r.Key, r.Data, r.Arrived
	return m, topic != ""
}

func (r *rig) publish(p rules.Publication) (shardlog.StreamName, shardlog.Entry, error) {
	to, err := r.routes.Find(ingest.Source{Topic: p.Topic, ClientID: p.Client})
	return to.Stream, shardlog.Entry{Key: p.Client, Data: p.Payload, Meta: []byte(p.Topic + "\x00" + p.User[0].Value)}, err
}

// tell publishes as a device.
func (r *rig) tell(client, topic, payload string) {
	r.t.Helper()
	route := topic
	if _, rest, ok := ingest.BasicIngest(topic); ok {
		route = rest
	}
	to, err := r.routes.Find(ingest.Source{Topic: route, ClientID: client})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.Put(r.t.Context(), to.Stream, []shardlog.Entry{{Key: client, Data: []byte(payload), Meta: []byte(topic)}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) create(rule rules.Rule) {
	r.t.Helper()
	if _, err := r.table.Create(r.t.Context(), rule); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a Runner until stop is called.
func (r *rig) run() (run *rules.Runner, stop func()) {
	run = rules.New(rules.Config{Reader: r.Memory, Catalog: r.Memory, Writer: r.writer, States: r.Memory, Routes: r.routes, Read: read, Publish: r.publish, Log: slog.New(slog.DiscardHandler)})
	r.runner.Store(run)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := run.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	stop = func() { cancel(); group.Wait() }
	r.t.Cleanup(stop)
	return run, stop
}

// until waits for something.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			text, _ := json.Marshal(r.runner.Load().Status())
			r.t.Fatalf("it does not come to this: %s; %s", what, text)
		}
	}
}

// holds is the data of a stream's records, shard by shard.
func (r *rig) holds(name shardlog.StreamName) (all []string) {
	for _, rec := range r.Records(name) {
		all = append(all, string(rec.Data))
	}
	return all
}

// gets waits until a stream holds that, in whatever order.
func (r *rig) gets(name shardlog.StreamName, want ...string) {
	r.t.Helper()
	slices.Sort(want)
	r.until(fmt.Sprintf("%s holds %q", name, want), func() bool {
		got := r.holds(name)
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

func to(stream shardlog.StreamName) *rules.Kinesis { return &rules.Kinesis{Stream: stream} }

func TestARuleSeesWhatComes(t *testing.T) {
	r := newRig(t, "out", "bad")
	r.tell("dev", "site/7/temp", `{"c":1}`) // before the rule
	r.run()
	r.create(rules.Rule{Name: "hot", SQL: "SELECT c, topic(2) AS room FROM 'site/+/temp' WHERE c > 50", Kinesis: &rules.Kinesis{Stream: "out", Key: "${topic(2)}"}, Errors: "bad"})
	r.tell("dev", "site/7/temp", `{"c":80}`)
	r.tell("dev", "site/8/temp", `{"c":20}`)
	r.tell("dev", "site/8/hum", `{"c":90}`)
	r.tell("dev", "site/9/temp", `{"c":90.50}`)
	r.tell("dev", "site/9/temp", `no json`)
	r.gets("out", `{"c":80,"room":"7"}`, `{"c":90.50,"room":"9"}`)
	for _, rec := range r.Records("out") {
		if rec.Key != "7" && rec.Key != "9" || len(rec.Meta) != 0 {
			t.Errorf("key %q, meta %q", rec.Key, rec.Meta)
		}
	}
	r.until("the error is stored", func() bool { return len(r.holds("bad")) == 1 })
	var report struct {
		RuleName, Topic, ClientID string
		Payload                   []byte `json:"base64OriginalPayload"`
		Failures                  []struct{ FailedAction, FailedResource, ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(r.holds("bad")[0]), &report); err != nil || report.RuleName != "hot" || report.Topic != "site/9/temp" || report.ClientID != "dev" ||
		string(report.Payload) != "no json" || len(report.Failures) != 1 || report.Failures[0].FailedAction != "kinesis" || report.Failures[0].FailedResource != "out" {
		t.Errorf("%+v: %v", report, err)
	}
	s := r.runner.Load().Status()
	r.until("it is counted", func() bool {
		s = r.runner.Load().Status()
		a := s[0].Actions[0]
		return a.Matched == 4 && a.Passed == 2 && a.Failed == 1 && a.LagRecords == 0 && a.LagAge == 0
	})
}

func TestRulesComeAndGo(t *testing.T) {
	r := newRig(t, "out")
	r.run()
	ctx := t.Context()
	r.create(rules.Rule{Name: "a", SQL: "SELECT * FROM 'x'", Kinesis: to("out")})
	r.tell("dev", "x", "1")
	r.gets("out", "1")
	if err := r.table.Disable(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	cursors := func() (n int) {
		for key := range r.List(ctx, shardlog.Cursors, "") {
			if strings.Contains(key, "/rule/") {
				n++
			}
		}
		return n
	}
	r.until("a disabled rule pins nothing", func() bool { return cursors() == 0 })
	r.tell("dev", "x", "2")
	if err := r.table.Enable(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	r.tell("dev", "x", "3")
	r.gets("out", "1", "3")
	if err := r.table.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	r.create(rules.Rule{Name: "a", SQL: "SELECT * FROM 'y'", Kinesis: to("out")}) // of the same name at once
	r.tell("dev", "x", "4")
	r.tell("dev", "y", "5")
	r.gets("out", "1", "3", "5")
	r.until("the old one's places are gone", func() bool { return cursors() == 4 })
}

// TestADeletedRuleDoesNothingMore: whoever runs it hears of it later, and must
// neither go on nor begin again.
func TestADeletedRuleDoesNothingMore(t *testing.T) {
	r := newRig(t, "out")
	r.table.Changed = nil
	for _, end := range []func(context.Context, string) error{r.table.Disable, r.table.Delete} {
		r.create(rules.Rule{Name: "a", SQL: "SELECT * FROM 'x'", Kinesis: to("out")})
		before := len(r.holds("out"))
		run, stop := r.run()
		r.tell("dev", "x", "1")
		r.until("it runs", func() bool { return len(r.holds("out")) == before+1 })
		if err := end(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			r.tell("dev", "x", "2")
		}
		r.until("it has ended", func() bool { return len(run.Status()) == 0 })
		stop()
		if got := len(r.holds("out")); got != before+1 {
			t.Errorf("%d records, want %d", got, before+1)
		}
		if err := r.table.Delete(t.Context(), "a"); err != nil && shardlog.KindOf(err) != shardlog.NotFound {
			t.Fatal(err)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	r := newRig(t, "out")
	good := rules.Rule{Name: "good", SQL: "SELECT * FROM 'x'", Kinesis: to("out")}
	r.create(good)
	for _, c := range []struct {
		kind   shardlog.Kind
		change func(*rules.Rule)
	}{
		{shardlog.InUse, func(*rules.Rule) {}},
		{shardlog.Invalid, func(w *rules.Rule) { w.Name = "a-b" }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Name = "" }},
		{shardlog.Invalid, func(w *rules.Rule) { w.SQL = "SELECT" }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Kinesis = nil }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Kinesis = to("_audit") }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Kinesis = &rules.Kinesis{Stream: "out", Key: "${"} }},
		{shardlog.NotFound, func(w *rules.Rule) { w.Kinesis = to("nowhere") }},
		{shardlog.NotFound, func(w *rules.Rule) { w.Errors = "nowhere" }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Republish = &rules.Republish{Topic: "x"} }}, // it would see it again
		{shardlog.Invalid, func(w *rules.Rule) { w.Republish = &rules.Republish{Topic: "$aws/things/a/shadow/update"} }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Republish = &rules.Republish{Topic: "a/+"} }},
		{shardlog.Invalid, func(w *rules.Rule) { w.Republish = &rules.Republish{Topic: "a", QoS: 3} }},
	} {
		want := good
		c.change(&want)
		if _, err := r.table.Create(t.Context(), want); err == nil || shardlog.KindOf(err) != c.kind {
			t.Errorf("%+v: %v, want %v", want, err, c.kind)
		}
	}
	for _, do := range []func(context.Context, string) error{r.table.Delete, r.table.Enable, r.table.Disable} {
		if err := do(t.Context(), "none"); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
			t.Error(err)
		}
	}
}

func TestRepublished(t *testing.T) {
	r := newRig(t, "out")
	r.create(rules.Rule{Name: "siren", SQL: "SELECT 'on' AS siren FROM 'site/+/smoke'", Republish: &rules.Republish{Topic: "alarm/${topic(2)}"}})
	r.create(rules.Rule{Name: "heard", SQL: "SELECT *, topic() AS topic, clientid() AS client FROM 'alarm/#'", Kinesis: to("out")})
	r.run()
	r.tell("dev", "site/7/smoke", "{}")
	r.gets("out", `{"siren":"on","topic":"alarm/7","client":"dev"}`)
}

func TestACircleEnds(t *testing.T) {
	r := newRig(t, "out")
	r.create(rules.Rule{Name: "ping", SQL: "SELECT * FROM 'ping'", Republish: &rules.Republish{Topic: "pong"}})
	r.create(rules.Rule{Name: "pong", SQL: "SELECT * FROM 'pong'", Republish: &rules.Republish{Topic: "${'ping'}"}, Kinesis: to("out")})
	run, _ := r.run()
	r.tell("dev", "ping", "1")
	r.until("somebody refuses to go on", func() bool {
		failed := uint64(0)
		for _, s := range run.Status() {
			for _, a := range s.Actions {
				failed += a.Failed
			}
		}
		return failed == 1
	})
	r.gets("out", "1", "1", "1", "1")
}

func TestBasicIngest(t *testing.T) {
	r := newRig(t, "out", "all")
	r.create(rules.Rule{Name: "Building", SQL: "SELECT topic() AS t, topic(1) AS first", Kinesis: to("out")})
	r.create(rules.Rule{Name: "other", SQL: "SELECT topic() AS t FROM '#'", Kinesis: to("all")})
	r.run()
	r.tell("dev", "$aws/rules/Building/floor/2", "{}")
	r.tell("dev", "$aws/rules/Building/alarm/2", "{}") // into another stream
	r.tell("dev", "$aws/rules/nobody/a", "{}")
	r.tell("dev", "$aws/rules/other/b", "{}")
	r.tell("dev", "floor/2", "{}")
	r.gets("out", `{"t":"floor/2","first":"floor"}`, `{"t":"alarm/2","first":"alarm"}`)
	r.gets("all", `{"t":"floor/2"}`, `{"t":"b"}`)
}

// flaky is a writer that fails, before or after it has stored.
type flaky struct {
	shardlog.Writer
	mu   sync.Mutex
	dice *rand.Rand
}

var errFlaky = shardlog.Errorf(shardlog.Unknown, "put", "the leader is gone")

func (f *flaky) Put(ctx context.Context, stream shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	f.mu.Lock()
	n := f.dice.IntN(10)
	f.mu.Unlock()
	switch {
	case n == 0:
		return nil, shardlog.Errorf(shardlog.Unavailable, "put", "no leader")
	case n == 1 && len(entries) > 1:
		return nil, &shardlog.Error{Kind: shardlog.Throttled, Op: "put", RetryAfter: time.Millisecond}
	}
	results, err := f.Writer.Put(ctx, stream, entries, with...)
	if n == 2 && err == nil {
		return nil, errFlaky
	}
	return results, err
}

// TestOnceWhateverHappens: runners are killed, Puts fail, shards are split and
// merged, and each message is done once, in the order of its device.
func TestOnceWhateverHappens(t *testing.T) {
	r := newRig(t, "out")
	r.writer = &flaky{Writer: r.Memory, dice: rand.New(rand.NewPCG(1, 2))}
	r.create(rules.Rule{Name: "every", SQL: "SELECT * FROM 'n/+' WHERE n % 3 <> 0", Kinesis: to("out"), Republish: &rules.Republish{Topic: "alarm/${topic(2)}"}})
	const devices, each = 7, 60
	var want []string
	_, stop := r.run()
	for i := range each {
		for d := range devices {
			payload := fmt.Sprintf(`{"d":%d,"n":%d}`, d, i)
			r.tell(fmt.Sprint("dev", d), fmt.Sprintf("n/%d", d), payload)
			if i%3 != 0 {
				want = append(want, payload)
			}
		}
		switch i {
		case 10, 20, 45:
			stop()
			_, stop = r.run()
		case 15, 40:
			reshard(t, r, "telemetry")
		case 30:
			reshard(t, r, "out")
		}
	}
	r.gets("out", slices.Clone(want)...)
	r.gets("alarms", want...)
	stop()
	ordered(t, r.Records("out"), devices)
}

func reshard(t *testing.T, r *rig, name shardlog.StreamName) {
	t.Helper()
	s, _ := r.Stream(name)
	var open []shardlog.Shard
	for _, sh := range s.Shards {
		if !sh.Closed {
			open = append(open, sh)
		}
	}
	middle := shardlog.Hash{Hi: open[0].From.Hi/2 + open[0].To.Hi/2}
	if err := r.SplitShard(t.Context(), open[0].ID, middle); err != nil {
		t.Fatal(err)
	}
	s, _ = r.Stream(name)
	n := len(s.Shards)
	if err := r.MergeShards(t.Context(), s.Shards[n-2].ID, s.Shards[n-1].ID); err != nil {
		t.Fatal(err)
	}
}

// ordered checks the order of each device where no shard of the output was
// closed: those are read one after another.
func ordered(t *testing.T, all []shardlog.Record, devices int) {
	t.Helper()
	last := make([]int, devices)
	for i := range last {
		last[i] = -1
	}
	for _, rec := range all {
		var m struct{ D, N int }
		if err := json.Unmarshal(rec.Data, &m); err != nil {
			t.Fatal(err)
		}
		if m.N <= last[m.D] {
			t.Errorf("device %d: %d after %d", m.D, m.N, last[m.D])
		}
		last[m.D] = m.N
	}
}

// TestAStreamThatIsGoneIsWaitedFor: the action waits, and goes on when the
// stream is there again.
func TestAStreamThatIsGoneIsWaitedFor(t *testing.T) {
	r := newRig(t, "out")
	run, _ := r.run()
	r.create(rules.Rule{Name: "a", SQL: "SELECT * FROM 'x'", Kinesis: to("out")})
	if err := r.DeleteStream(t.Context(), "out"); err != nil {
		t.Fatal(err)
	}
	r.tell("dev", "x", "1")
	r.until("it waits", func() bool {
		s := run.Status()
		return len(s) == 1 && s[0].Actions[0].Retries > 0 && s[0].Actions[0].LastError != "" && s[0].Actions[0].LagRecords == 1 && s[0].Actions[0].LagAge > 0
	})
	if err := r.CreateStream(t.Context(), shardlog.StreamSpec{Name: "out"}); err != nil {
		t.Fatal(err)
	}
	r.gets("out", "1")
	r.until("it waits no more", func() bool { return run.Status()[0].Actions[0].LastError == "" })
}

func TestALargeOutputIsAnError(t *testing.T) {
	r := newRig(t, "out")
	run, _ := r.run()
	r.create(rules.Rule{Name: "a", SQL: "SELECT concat(x, x) AS x FROM 'x'", Kinesis: to("out")})
	r.tell("dev", "x", `{"x":"`+strings.Repeat("x", 600<<10)+`"}`)
	r.tell("dev", "x", `{"x":1}`)
	r.tell("dev", "x", `{"x":"a"}`)
	r.gets("out", `{}`, `{"x":"aa"}`)
	if s := run.Status()[0].Actions[0]; s.Failed != 1 || s.Passed != 2 {
		t.Errorf("%+v", s)
	}
}

func TestTry(t *testing.T) {
	for _, c := range []struct {
		sql, topic string
		want       rules.Result
	}{
		{"SELECT a FROM 'x/+'", "x/y", rules.Result{Matched: true, Passed: true, Output: []byte(`{"a":1}`)}},
		{"SELECT a FROM 'x/+'", "y", rules.Result{}},
		{"SELECT a FROM 'x/+' WHERE a > 1", "x/y", rules.Result{Matched: true}},
		{"SELECT topic() AS t", "$aws/rules/r/x", rules.Result{Matched: true, Passed: true, Output: []byte(`{"t":"x"}`)}},
	} {
		got, err := rules.Try(c.sql, iotsql.Message{Topic: c.topic, Payload: []byte(`{"a":1}`)})
		if err != nil || got.Matched != c.want.Matched || got.Passed != c.want.Passed || string(got.Output) != string(c.want.Output) {
			t.Errorf("%s: %+v %v", c.sql, got, err)
		}
	}
	if _, err := rules.Try("SELEC", iotsql.Message{}); err == nil || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
