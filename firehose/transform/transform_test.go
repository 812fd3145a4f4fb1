package transform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"headgate/firehose"
	"headgate/firehose/transform"
	"headgate/shardlog"
)

var arrived = time.Date(2026, 7, 1, 12, 30, 0, 5e6, time.UTC)

// records are some, with sequence numbers from 1.
func records(data ...string) []firehose.Record {
	var all []firehose.Record
	for i, d := range data {
		all = append(all, firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(i + 1), Key: fmt.Sprintf("k%d", i+1), Data: []byte(d), Arrived: arrived}})
	}
	return all
}

func env() transform.Env {
	return transform.Env{Delivery: "d", Stream: "plant", Secret: func(ref string) ([]byte, error) {
		if ref != "file:salt" {
			return nil, errors.New("there is no such secret")
		}
		return []byte("0123456789abcdef"), nil
	}}
}

// chain reads steps as a user writes them.
func chain(t testing.TB, steps string) firehose.Transform {
	t.Helper()
	var spec transform.Spec
	if err := yaml.UnmarshalWithOptions([]byte("steps:\n"+steps), &spec, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", steps, err)
	}
	c, err := transform.New(spec, env())
	if err != nil {
		t.Fatalf("%s: %v", steps, err)
	}
	return c
}

// tell is what became of records, one line each.
func tell(t testing.TB, c firehose.Transform, in []firehose.Record) string {
	t.Helper()
	before := fmt.Sprint(in)
	got, err := c.Apply(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(in) != before {
		t.Error("the records that were given have changed")
	}
	again, err := c.Apply(t.Context(), in)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("the second time it makes %v, %v", again, err)
	}
	var lines []string
	for _, r := range got.Records {
		keys, err := json.Marshal(r.Keys)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s %s %s", r.Place(), r.Data, keys), " null"))
	}
	for _, i := range got.Refused {
		lines = append(lines, fmt.Sprintf("%d %s: %s", i.Seq, i.Code, i.Message))
	}
	return strings.Join(lines, "\n")
}

func TestNativeOperations(t *testing.T) {
	for _, c := range []struct{ steps, in, want string }{
		{`- filter: temp > 50`, `{"temp":51}`, `1 {"temp":51}`},
		{`- filter: temp > 50`, `{"temp":50}`, ``},
		{`- filter: temp > 50`, ` {"temp":51}` + "\n", "1  {\"temp\":51}\n"}, // not edited: as it was
		{`- filter: temp > 50`, `{"temp":51`, `1 Transform.NotJSON: the record is not valid JSON`},
		{`- filter: temp > 50`, "{\"temp\":51}\v", `1 Transform.NotJSON: the record is not valid JSON`},
		{`- filter: temp > 50`, `[51]`, `1 Transform.NotJSON: the record is not a JSON object`},
		{`- filter: temp > 50`, ``, `1 Transform.NotJSON: the record is not a JSON object`},
		{`- filter: $key == "k1"`, `{}`, `1 {}`},
		{`- rename: {from: a, to: b}`, `{"a":1.50,"c":2}` + "\n", `1 {"b":1.50,"c":2}`},
		{`- rename: {from: a, to: b}`, `{ "c":"a" , "a" : 1 }`, `1 { "c":"a" , "b" : 1 }`},
		{`- rename: {from: a, to: b}`, `{"\u0061":1,"c":2}`, `1 {"c":2,"b":1}`},
		{`- set: {path: a, value: 1}`, `{ }`, `1 {"a":1}`},
		{`- set: {path: a, value: 1}`, `{"b":2 }`, `1 {"b":2,"a":1}`},
		{`- set: {path: "0", value: 1}`, `{}`, `1 {"0":1}`},
		{`- rename: {from: a, to: b.c}`, `{"a":{"x":[1]}}`, `1 {"b":{"c":{"x":[1]}}}`},
		{`- rename: {from: a, to: b}`, `{"a":1,"b":2}`, `1 {"b":1}`},
		{`- rename: {from: a, to: b}`, `{"c":1}`, `1 {"c":1}`},
		{`- rename: {from: 'a\.b', to: c}`, `{"a.b":1}`, `1 {"c":1}`},
		{`- set: {path: site, value: "nörth <1>"}`, `{}`, `1 {"site":"nörth <1>"}`},
		{`- set: {path: site, value: {b: 1, a: [true, null]}}`, `{"site":0}`, `1 {"site":{"a":[true,null],"b":1}}`},
		{`- set: {path: site}`, `{"site":0}`, `1 {"site":null}`},
		{`- set: {path: site, value: 1, keep: true}`, `{"site":0}`, `1 {"site":0}`},
		{`- set: {path: at, from: arrival_time}`, `{}`, `1 {"at":"2026-07-01T12:30:00.005Z"}`},
		{`- set: {path: at, from: arrival_millis}`, `{}`, `1 {"at":1782909000005}`},
		{`- set: {path: m.k, from: key}`, `{}`, `1 {"m":{"k":"k1"}}`},
		{`- set: {path: s, from: sequence}`, `{}`, `1 {"s":"1"}`},
		{`- set: {path: s, from: stream}`, `{}`, `1 {"s":"plant"}`},
		{`- set: {path: a.x, value: 1}`, `{"a":[1]}`, `1 Transform.EditFailed: write a.x: cannot set array element for non-numeric key 'x'`},
		{`- drop: [a, b.c]`, `{"a":1,"b":{"c":2,"d":3}}`, `1 {"b":{"d":3}}`},
		{`- drop: [a]`, `{"a":1,"a":2}`, `1 Transform.EditFailed: a: the name "a" is there 2 times`},
		{`- drop: [a.b]`, `{"a":{"b":1},"\u0061":{"b":2}}`, `1 Transform.EditFailed: a.b: the name "a" is there 2 times`},
		{`- cast: {path: a, to: integer}`, `{"a":"12"}`, `1 {"a":12}`},
		{`- cast: {path: a, to: integer}`, `{"a":12.0}`, `1 {"a":12}`},
		{`- cast: {path: a, to: integer}`, `{"a":"9007199254740993"}`, `1 {"a":9007199254740993}`},
		{`- cast: {path: a, to: integer}`, `{"a":12.5}`, `1 Transform.CastFailed: a cannot become integer`},
		{`- cast: {path: a, to: integer, otherwise: "null"}`, `{"a":"x"}`, `1 {"a":null}`},
		{`- cast: {path: a, to: integer, otherwise: keep}`, `{"a":"x"}`, `1 {"a":"x"}`},
		{`- cast: {path: a, to: number}`, `{"a":" 1.50 "}`, `1 {"a":1.50}`},
		{`- cast: {path: a, to: number}`, `{"a":"+7."}`, `1 {"a":7}`},
		{`- cast: {path: a, to: number}`, `{"a":"NaN"}`, `1 Transform.CastFailed: a cannot become number`},
		{`- cast: {path: a, to: string}`, `{"a":1.50}`, `1 {"a":"1.50"}`},
		{`- cast: {path: a, to: string}`, `{"a":{"b":"c"}}`, `1 {"a":"{\"b\":\"c\"}"}`},
		{`- cast: {path: a, to: boolean}`, `{"a":"TRUE"}`, `1 {"a":true}`},
		{`- cast: {path: a, to: boolean}`, `{"a":0}`, `1 {"a":false}`},
		{`- cast: {path: a, to: boolean}`, `{"a":2}`, `1 Transform.CastFailed: a cannot become boolean`},
		{`- cast: {path: a, to: boolean}`, `{"a":null,"b":1}`, `1 {"a":null,"b":1}`},
		{`- mask: {path: a, how: hash, key: "file:salt"}`, `{"a":"x"}`, `1 {"a":"68f4d9c04881bab754f229e82dee00cc"}`},
		{`- mask: {path: a, how: keep_last, last: 2}`, `{"a":"größe"}`, `1 {"a":"***ße"}`},
		{`- mask: {path: a, how: keep_last, last: 2}`, `{"a":12}`, `1 {"a":"**"}`},
		{`- mask: {path: a, how: keep_last, last: 2}`, `{"a":123}`, `1 {"a":"*23"}`},
		{`- mask: {path: a.1, how: redact}`, `{"a":["x","y"]}`, `1 {"a":["x","***"]}`},
		{`- mask: {path: a, how: redact, with: gone}`, `{"a":{"b":1},"c":2}`, `1 {"a":"gone","c":2}`},
		{`- mask: {path: a, how: redact}`, `{"a":"x","a":"y"}`, `1 Transform.EditFailed: a: the name "a" is there 2 times`},
		{`- mask: {path: a, how: redact}`, `{"a":null}`, `1 {"a":null}`},
		{`- flatten: {}`, `{"a":{"b":1,"c":{"d":[{"e":1}]}},"f":{},"g":"x"}`, `1 {"a_b":1,"a_c_d":[{"e":1}],"f":{},"g":"x"}`},
		{`- flatten: {names: [a], separator: .}`, `{"a":{"b":1},"c":{"d":1}}`, `1 {"a.b":1,"c":{"d":1}}`},
		{`- flatten: {}`, `{"a":{"b":1},"a_b":2}`, `1 Transform.FlattenFailed: two values would be named "a_b"`},
		{"- filter: temp > 50\n- rename: {from: temp, to: t}\n- set: {path: site, value: 1}", `{"temp":51}`, `1 {"t":51,"site":1}`},
		{`- set: {path: a, value: 1}`, strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), `1 Transform.NotJSON: the record is nested more than 1000 levels deep`},
	} {
		if got := tell(t, chain(t, c.steps), records(c.in)); got != c.want {
			t.Errorf("%s of %.100s:\n got %s\nwant %s", c.steps, c.in, got, c.want)
		}
	}
}

func TestOneBadRecordLeavesItsNeighbours(t *testing.T) {
	c := chain(t, "- cast: {path: a, to: integer}\n- filter: a < 5")
	got := tell(t, c, records(`{"a":"1"}`, `{"a":"x"}`, `no`, `{"a":9}`, `{"a":2}`))
	want := `1 {"a":1}
5 {"a":2}
2 Transform.CastFailed: a cannot become integer
3 Transform.NotJSON: the record is not a JSON object`
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestSampleKeepsTheSameShare(t *testing.T) {
	var in []firehose.Record
	for i := range 10_000 {
		in = append(in, firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(i), Key: fmt.Sprint("device-", i%100)}})
	}
	for by, share := range map[string][2]int{"sequence": {900, 1100}, "key": {400, 2000}} {
		c := chain(t, "- sample: {rate: 0.1, by: "+by+"}")
		whole, err := c.Apply(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(whole.Records); n < share[0] || n > share[1] {
			t.Errorf("by %s: %d of 10000", by, n)
		}
		keys, parts := map[string]int{}, 0
		for _, r := range whole.Records {
			keys[r.Key]++
		}
		for at := 0; at < len(in); at += 7 { // in other groups
			part, err := c.Apply(t.Context(), in[at:min(at+7, len(in))])
			if err != nil {
				t.Fatal(err)
			}
			parts += len(part.Records)
		}
		if parts != len(whole.Records) {
			t.Errorf("by %s: %d in one, %d in parts", by, len(whole.Records), parts)
		}
		for k, n := range keys {
			if by == "key" && n != 100 {
				t.Errorf("%d records of %s", n, k)
			}
		}
	}
}

func TestMistakesInASpec(t *testing.T) {
	for steps, want := range map[string]string{
		`- {}`:                                    "step 1: it asks for 0 operations",
		"- drop: [a]\n  filter: a > 1":            "step 1: it asks for 2 operations",
		"- drop: [a]\n- filter: a >":              "step 2: parse condition: invalid: at character 4: a path or a value is expected",
		`- drop: ["a.*"]`:                         `drop: path "a.*" holds '*'`,
		`- drop: ["a..b"]`:                        `drop: path "a..b" has an empty name`,
		`- rename: {from: a}`:                     "rename: to: a path is missing",
		`- rename: {from: a, to: a}`:              `rename: from and to are both "a"`,
		`- set: {path: a.10000000, value: 1}`:     `has an index above 9999`,
		`- set: {path: a, from: moon}`:            `set: from "moon" is unknown`,
		`- set: {path: a, from: key, value: 1}`:   "set: a has both a value and from",
		`- cast: {path: a, to: moon}`:             `cast: to "moon" is unknown`,
		`- mask: {path: a, how: hash}`:            "mask: hash needs a key",
		`- mask: {path: a, how: hash, key: x}`:    "mask: key: there is no such secret",
		`- mask: {path: a, how: keep_last}`:       "mask: last is 0",
		`- sample: {rate: 1.5}`:                   "sample: rate is 1.5",
		`- partition: {query: "{a: .b"}`:          "partition: parse program",
		`- jq: {program: "input"}`:                "jq: compile program",
		`- jq: {program: "import \"a\" as a; ."}`: "jq: programs cannot import",
		`- decompress: {max_bytes: 99999999}`:     "decompress: max_bytes is 99999999",
		`- lambda: {function: "a b"}`:             `"a b" is no name of a function`,
		`- lambda: {function: a}`:                 "lambda: no functions are hosted here",
		`- lambda: {function: a, url: "ftp://x"}`: "must be an http or https URL",
	} {
		var spec transform.Spec
		if err := yaml.Unmarshal([]byte("steps:\n"+steps), &spec); err != nil {
			t.Fatalf("%s: %v", steps, err)
		}
		_, err := transform.New(spec, env())
		if err == nil || shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", steps, err, want)
		}
	}
}

// TestSpecIsTheSameInJSON: what YAML says, JSON says too.
func TestSpecIsTheSameInJSON(t *testing.T) {
	text := `{"steps":[{"filter":"a == 1"},{"set":{"path":"b","value":{"c":[1,"x"]}}},{"deaggregate":true},{"append_delimiter":"\n"}]}`
	var fromJSON, fromYAML transform.Spec
	if err := json.Unmarshal([]byte(text), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(text), &fromYAML); err != nil {
		t.Fatal(err)
	}
	for _, s := range []transform.Spec{fromJSON, fromYAML} {
		if back, err := json.Marshal(s); err != nil || string(back) != text {
			t.Errorf("%s %v", back, err)
		}
	}
}

func FuzzNative(f *testing.F) {
	for _, s := range []string{`{"a":{"b":1},"c":"x"}`, `{"a":[1,{"b":2}],"c":null}`, `{"\u0061":1,"a b":"\ud800","c":1e999}`, `{"a":{"a":{"b":"x"}}}`} {
		f.Add([]byte(s))
	}
	all := []string{
		`- rename: {from: a.b, to: c.d}`, `- set: {path: a.b, value: 1}`, `- set: {path: a.3, from: key}`, `- drop: [a.b, c]`,
		`- cast: {path: c, to: string}`, `- cast: {path: c, to: number, otherwise: keep}`, `- mask: {path: c, how: keep_last, last: 1}`,
		`- mask: {path: a, how: redact}`, `- flatten: {}`,
	}
	var chains []firehose.Transform
	for _, s := range all {
		chains = append(chains, chain(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, c := range chains {
			got, err := c.Apply(t.Context(), records(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Records)+len(got.Refused) != 1 {
				t.Errorf("%s of %q: %v", all[i], data, got)
			}
			for _, r := range got.Records {
				if !json.Valid(r.Data) {
					t.Errorf("%s of %q makes %q", all[i], data, r.Data)
				}
			}
		}
	})
}
