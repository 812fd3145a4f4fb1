package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"headgate/ingest"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

func TestStreamTemplates(t *testing.T) {
	r := compile(t, ingest.Table{
		Create: ingest.Create{Allow: []string{"site-*", "*-raw"}},
		Routes: []ingest.Route{
			{Filter: "site/#", Stream: "site-{topic.2}", Key: "{topic.2}", Shards: 3},
			{Filter: "any/#", Stream: "{topic.2-}"},
			{Filter: "json/#", Stream: "site-{json.site|default:none}"},
		},
	})
	for _, c := range []struct{ topic, payload, stream, counted string }{
		{"site/7/temp", "", "site-7", ""},
		{"site/Zürich 2/temp", "", "site-Z--rich-2", ""},
		{"site", "", "telemetry", "Unnamed"},
		{"site//x", "", "site-", ""}, // an empty level is one
		{"any/x-raw", "", "x-raw", ""},
		{"any/a/b-raw", "", "a-b-raw", ""},
		{"any/telemetry", "", "telemetry", "Outside"},
		{"any/_orphans-raw", "", "telemetry", "Outside"}, // the gateway's own
		{"any/" + strings.Repeat("x", 125) + "-raw", "", "telemetry", "Outside"},
		{"any/", "", "telemetry", "Unnamed"},
		{"json", `{"site":"north"}`, "site-north", ""},
		{"json", `{}`, "site-none", ""},
		{"json", `nonsense`, "site-none", ""},
	} {
		before := r.Stats()
		got, err := r.Find(ingest.Source{Topic: c.topic, ClientID: "dev", Payload: []byte(c.payload)})
		if err != nil || got.Stream != shardlog.StreamName(c.stream) {
			t.Errorf("%s: got %v, %v, want %s", c.topic, got, err, c.stream)
		}
		after := r.Stats()
		counted := ""
		switch {
		case after.Unnamed > before.Unnamed:
			counted = "Unnamed"
		case after.Outside > before.Outside:
			counted = "Outside"
		}
		if counted != c.counted {
			t.Errorf("%s: counted as %q, want %q", c.topic, counted, c.counted)
		}
	}
	if spec, ok := r.Spec("site-7"); !ok || spec.Shards != 3 {
		t.Errorf("site-7: %+v, %v", spec, ok)
	}
	if _, ok := r.Spec("site-8"); ok {
		t.Error("site-8 was never named")
	}
}

func TestTemplatesMakeNoMoreThanTheyMay(t *testing.T) {
	log := shardlogtest.NewMemory()
	for _, name := range []shardlog.StreamName{"site-old", "other"} {
		if err := log.CreateStream(t.Context(), shardlog.StreamSpec{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	r := compile(t, ingest.Table{
		Catalog: log, Create: ingest.Create{Allow: []string{"site-*"}, Most: 3},
		Routes: []ingest.Route{{Filter: "site/+", Stream: "site-{topic.2}"}},
	})
	find := func(name string) shardlog.StreamName {
		t.Helper()
		got, err := r.Find(ingest.Source{Topic: "site/" + name, ClientID: "dev"})
		if err != nil {
			t.Fatal(err)
		}
		return got.Stream
	}
	for i := range 10 {
		want := shardlog.StreamName(fmt.Sprintf("site-%d", i))
		if i >= 2 { // site-old is the third
			want = "telemetry"
		}
		if got := find(fmt.Sprint(i)); got != want {
			t.Errorf("site %d went to %s, want %s", i, got, want)
		}
	}
	if got := find("old"); got != "site-old" {
		t.Errorf("a stream that exists is not reached: %s", got)
	}
	if err := log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "site-9"}); err != nil {
		t.Fatal(err)
	}
	if got := find("9"); got != "site-9" {
		t.Errorf("a stream that was made meanwhile is not reached: %s", got)
	}
	if s := r.Stats(); s.Full != 8 || s.Streams != 4 {
		t.Errorf("%+v", s)
	}
}

func TestReach(t *testing.T) {
	log := shardlogtest.NewMemory()
	r := compile(t, ingest.Table{
		Catalog: log, Create: ingest.Create{Allow: []string{"site-*"}},
		Routes: []ingest.Route{
			{Filter: "site/+/temp", Stream: "site-{topic.2}-temp"},
			{Filter: "site/+/raw", Stream: "raw", RecordOnly: true},
			{Filter: "cmd/#", Stream: "commands"},
			{Filter: "#", Refuse: true},
		},
	})
	check := func(filter string, want ...shardlog.StreamName) {
		t.Helper()
		if got := r.Reach(filter); !slices.Equal(got, want) {
			t.Errorf("%s reaches %v, want %v", filter, got, want)
		}
	}
	check("site/#", "telemetry")
	for _, name := range []shardlog.StreamName{"site-1-temp", "site-1-other", "commands", "x-temp"} {
		if err := log.CreateStream(t.Context(), shardlog.StreamSpec{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	check("site/#", "telemetry", "site-1-temp")
	if got, err := r.Find(ingest.Source{Topic: "site/2/temp", ClientID: "dev"}); err != nil || got.Stream != "site-2-temp" {
		t.Fatal(got, err)
	}
	check("site/2/temp", "telemetry", "site-1-temp", "site-2-temp") // which of them is not looked into
	check("site/1/raw")
	check("#", "telemetry", "site-1-temp", "site-2-temp", "commands")
	check("cmd/x", "commands")
	if got := r.All(); !slices.Equal(got, []shardlog.StreamName{"telemetry", "raw", "commands", "site-1-temp", "site-2-temp"}) {
		t.Errorf("all are %v", got)
	}
}
