package transform_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestQueries(t *testing.T) {
	for _, c := range []struct{ steps, in, want string }{
		{`- jq: {program: "select(.temp > 50) | {t: .temp, id}"}`, `{"temp":51.0,"id":9007199254740993}`, `1 {"id":9007199254740993,"t":51.0}`},
		{`- jq: {program: "select(.temp > 50)"}`, `{"temp":1}`, ``},
		{`- jq: {program: ".[]"}`, `[1,"a",null]`, "1 1\n1.1 \"a\"\n1.2 null"},
		{`- jq: {program: ".a.b"}`, `{"a":1}`, `1 Transform.QueryFailed: expected an object but got: number (1)`},
		{`- jq: {program: "."}`, `{"a":`, `1 Transform.QueryFailed: the record is not valid JSON`},
		{`- jq: {program: "[now, $key, $sequence]"}`, `{}`, `1 [1782909000.005,"k1","1"]`},
		{`- jq: {program: "now | localtime | mktime | floor, (now | strflocaltime(\"%H %Z\"))"}`, `{}`, "1 1782909000\n1.1 \"12 UTC\""},
		{`- jq: {program: "env | length"}`, `{}`, `1 0`},
		{`- jq: {program: "def f: f; f", time_limit_ms: 20}`, `{}`, `1 Transform.QueryFailed: the program took longer than 20ms`},
		{`- jq: {program: "[range(1000)]", max_bytes: 100}`, `{}`, `1 Transform.LimitExceeded: the program makes more than 100 bytes or 65536 records of one`},
		{`- jq: {program: "repeat(.)", max_bytes: 100}`, `{}`, `1 Transform.LimitExceeded: the program makes more than 100 bytes or 65536 records of one`},
		{`- jq: {program: "error(\"no\")"}`, `{}`, `1 Transform.QueryFailed: error: no`},
		{`- partition: {query: '{site: .site, n: .n, day: (.ts | strftime("%Y-%m-%d"))}'}`, `{"site":"north","n":1.50,"ts":1782909000}`, `1 {"site":"north","n":1.50,"ts":1782909000} {"day":"2026-07-01","n":"1.50","site":"north"}`},
		{"- partition: {query: '{a: .a}'}\n- partition: {query: '{b: .a}'}", `{"a":true}`, `1 {"a":true} {"a":"true","b":"true"}`},
		{`- partition: {query: '{site: .site}'}`, `{}`, `1 DynamicPartitioning.MetadataExtractionFailed: a key is empty, null, nested or longer than 512 bytes`},
		{`- partition: {query: '{site: .site}'}`, `{"site":""}`, `1 DynamicPartitioning.MetadataExtractionFailed: a key is empty, null, nested or longer than 512 bytes`},
		{`- partition: {query: '{site: .site}'}`, `{"site":["a"]}`, `1 DynamicPartitioning.MetadataExtractionFailed: a key is empty, null, nested or longer than 512 bytes`},
		{`- partition: {query: '.site'}`, `{"site":"a"}`, `1 DynamicPartitioning.MetadataExtractionFailed: the query must make one object of a record`},
		{`- partition: {query: '{a: (1, 2)}'}`, `{}`, `1 DynamicPartitioning.MetadataExtractionFailed: the query must make one object of a record`},
		{`- partition: {query: '{}'}`, `{}`, `1 DynamicPartitioning.MetadataExtractionFailed: the query makes no keys of the record`},
		{`- partition: {query: '{a: .a}'}`, `{"a"`, `1 DynamicPartitioning.MetadataExtractionFailed: the record is not valid JSON`},
	} {
		if got := tell(t, chain(t, c.steps), records(c.in)); got != c.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.steps, c.in, got, c.want)
		}
	}
}

func TestQueryLeavesNeighbours(t *testing.T) {
	c := chain(t, `- partition: {query: '{site: .site}'}`)
	got := tell(t, c, records(`{"site":"a"}`, `{}`, `{"site":"c"}`))
	if !strings.HasPrefix(got, "1 {\"site\":\"a\"} {\"site\":\"a\"}\n3 {\"site\":\"c\"} {\"site\":\"c\"}\n2 DynamicPartitioning.MetadataExtractionFailed: ") {
		t.Errorf("got %s", got)
	}
}

// TestAnEndedCallRefusesNothing: records are not at fault when the caller
// gives up.
func TestAnEndedCallRefusesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	got, err := chain(t, `- jq: {program: "def f: f; f"}`).Apply(ctx, records(`{}`))
	if !errors.Is(err, context.DeadlineExceeded) || len(got.Refused) != 0 {
		t.Errorf("%v %v", got, err)
	}
}
