package ingest_test

import (
	"context"
	"strings"
	"testing"

	"headgate/ingest"
	"headgate/shardlog"
)

func TestFind(t *testing.T) {
	routes := []ingest.Route{
		{Filter: "alarm/#", Stream: "alarms", Key: "{topic.2}"},
		{Filter: "+/secret", Refuse: true},
		{Filter: "site/+/temp", Stream: "temps", Key: "{topic.2}-{username}"},
		{Filter: "exact", Stream: "exact", Key: "{topic}"},
		{Filter: "fixed/#", Stream: "fixed", Key: "all"},
		{Filter: "$own/#", Stream: "own"},
	}
	table, err := ingest.NewRoutes(routes)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 257)
	cases := []struct {
		topic, user string
		stream      shardlog.StreamName // empty: refused
		key         string
	}{
		{"alarm/fire/1", "", "alarms", "fire"},
		{"alarm", "", "alarms", "dev"},  // # matches the level above; no second level
		{"alarm/", "", "alarms", "dev"}, // the second level is empty
		{"alarms/x", "", "telemetry", "dev"},
		{"a/secret", "", "", ""},
		{"alarm/secret", "", "alarms", "secret"}, // the first match wins
		{"site/7/temp", "bob", "temps", "7-bob"},
		{"site/7/temp", "", "temps", "dev"},
		{"site/7/temp/x", "bob", "telemetry", "dev"},
		{"site/7", "bob", "telemetry", "dev"},
		{"exact", "", "exact", "exact"},
		{"exact/", "", "telemetry", "dev"},
		{"fixed", "", "fixed", "all"},
		{"alarm/" + long, "", "alarms", "dev"},
		{"", "", "telemetry", "dev"},
		{"/", "", "telemetry", "dev"},
		{"$own/a", "", "own", "dev"},
		{"$SYS/a", "", "", ""}, // a leading wildcard does not reach $ topics
		{"$x/secret", "", "", ""},
	}
	for _, c := range cases {
		got, err := table.Find(ingest.Source{Topic: c.topic, ClientID: "dev", Username: c.user})
		if c.stream == "" {
			if err == nil || shardlog.KindOf(err) != shardlog.Denied {
				t.Errorf("%q: got %v, %v, want it refused", c.topic, got, err)
			}
			continue
		}
		if err != nil || got.Stream != c.stream || got.Key != c.key {
			t.Errorf("%q: got %v, %v, want %s by %q", c.topic, got, err, c.stream, c.key)
		}
	}
}

func TestDefaults(t *testing.T) {
	table, err := ingest.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.Find(ingest.Source{Topic: "any/where", ClientID: "dev"})
	if err != nil || got != (ingest.Target{Stream: "telemetry", Key: "dev", Filter: "#"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if s := table.Streams(); len(s) != 1 || s[0].Name != "telemetry" {
		t.Errorf("streams %v", s)
	}
}

func TestStreams(t *testing.T) {
	table, err := ingest.NewRoutes([]ingest.Route{
		{Filter: "a", Stream: "one"}, {Filter: "b", Stream: "two", Shards: 2}, {Filter: "c", Stream: "one", Shards: 8},
		{Filter: "#", Refuse: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := table.Streams()
	if len(s) != 2 || s[0].Name != "one" || s[0].Shards != 8 || s[1].Name != "two" || s[1].Shards != 2 {
		t.Errorf("streams %v", s)
	}
}

func TestMalformed(t *testing.T) {
	for _, route := range []ingest.Route{
		{Filter: ""},
		{Filter: "a+"},
		{Filter: "a/#/b"},
		{Filter: "#a"},
		{Filter: "$share/g/a"},
		{Filter: "a", Stream: "no spaces"},
		{Filter: "a", Stream: "_own"},
		{Filter: "a", Key: "{nothing}"},
		{Filter: "a", Key: "{topic.0}"},
		{Filter: "a", Key: "{topic.x}"},
		{Filter: "a", Key: "{clientid"},
		{Filter: "a", Key: "clientid}"},
		{Filter: "a", Shards: -1},
		{Filter: "a", Key: "{topic.1-2}"},
		{Filter: "a", Key: "{topic.}"},
		{Filter: "a", Key: "{user.}"},
		{Filter: "a", Key: "{json}"},
		{Filter: "a", Key: "{sparkplug.metric}"},
		{Filter: "a", Key: "{topic|upper}"},
		{Filter: "a", Key: "{topic|lower:x}"},
		{Filter: "a", Key: "{topic|hash:0}"},
		{Filter: "a", Key: "{topic|hash:65}"},
		{Filter: "a", Key: "{topic|default:}"},
		{Filter: "a", Key: "{topic|}"},
		{Filter: "a", Key: "{json.a}{cbor.a}"},
		{Filter: "a", Key: "{json.a}", Decode: "sparkplug"},
		{Filter: "a", Decode: "xml"},
		{Filter: "a", Stream: "site-{topic.1}"}, // no names are allowed
	} {
		if _, err := ingest.NewRoutes([]ingest.Route{route}); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v, want it refused", route, err)
		}
	}
	if _, err := ingest.NewRoutes([]ingest.Route{{Filter: "a", Stream: "s", Shards: 1}, {Filter: "b", Stream: "s", Shards: 2}}); err == nil {
		t.Error("two counts of shards for one stream were accepted")
	}
}

// control is a Control that answers creation with err.
type control struct {
	shardlog.Control
	err error
}

func (c control) CreateStream(context.Context, shardlog.StreamSpec) error { return c.err }

func TestMake(t *testing.T) {
	for _, c := range []struct {
		answer error
		fails  bool
	}{
		{nil, false},
		{shardlog.Errorf(shardlog.InUse, "create stream", "exists"), false},
		{shardlog.Errorf(shardlog.Unavailable, "create stream", "no leader"), true},
	} {
		err := ingest.Make(t.Context(), control{err: c.answer}, shardlog.StreamSpec{Name: "s"})
		if (err != nil) != c.fails {
			t.Errorf("answer %v: got %v", c.answer, err)
		}
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add("a/+/#", "{topic.2}-{clientid}", "s-{topic.2-|lower}", "a/b/c", []byte("{}"))
	f.Add("spBv1.0/#", "{sparkplug.edge|hash:16|default:x}", "{sparkplug.group}", "spBv1.0/g/NDATA/e", []byte{0x18, 1})
	f.Add("#", "{json.a.0}{user.x|default:none}", "{json.b|hash:4}", "a", []byte(`{"a":[1],"b":"x"}`))
	f.Add("+", "{cbor.a}", "s", "a", []byte("\xa1aaab"))
	f.Fuzz(func(t *testing.T, filter, key, stream, topic string, payload []byte) {
		routes := []ingest.Route{{Filter: filter, Stream: shardlog.StreamName(stream), Key: key}}
		table, err := ingest.Table{Routes: routes, Create: ingest.Create{Allow: []string{"*"}}}.Compile()
		if err != nil {
			return
		}
		got, err := table.Find(ingest.Source{Topic: topic, ClientID: "dev", Payload: payload})
		if err != nil {
			return
		}
		if e := (shardlog.Entry{Key: got.Key}); e.Check(1<<20) != nil {
			t.Errorf("filter %q, key %q, topic %q: key %q", filter, key, topic, got.Key)
		}
		if got.Stream.Check() != nil || got.Stream.Own() {
			t.Errorf("stream %q, topic %q: stream %q", stream, topic, got.Stream)
		}
		if _, ok := table.Spec(got.Stream); !ok {
			t.Errorf("stream %q has no specification", got.Stream)
		}
		if strings.HasPrefix(topic, filter+"/") && !strings.ContainsAny(filter, "+#") && got.Stream != "telemetry" {
			t.Errorf("filter %q matches the longer topic %q", filter, topic)
		}
	})
}
