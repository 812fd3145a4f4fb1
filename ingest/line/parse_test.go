package line_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	protocol "github.com/influxdata/line-protocol"

	"headgate/ingest/line"
	"headgate/shardlog"
)

func TestPoints(t *testing.T) {
	for text, want := range map[string]string{
		"cpu v=1":            "1 cpu",
		"cpu,b=2,a=1 v=1i 5": "1 cpu,a=1,b=2",
		"\n# comment v\n\n cpu v=1 \r\nmem v=2u\r\n":   "4 cpu|5 mem",
		`my\ cpu\,x,a\=b=c\ d v="x y, z=\"\\" -7`:      `1 my\ cpu\,x,a\=b=c\ d`,
		"a s=\"two\nlines\",t=T,f=false 1\nb v=1e-3 2": "1 a|3 b",
		"a v=1,w=-2.5,x=+.5,y=9223372036854775807i":    "1 a",
		"tab,t=a\tb v=1\t\n":                           "1 tab,t=a\tb", // Influx keeps tabs in tags
	} {
		all, err := line.Parse([]byte(text), 1, "")
		if strings.HasPrefix(text, "tab") {
			if err == nil {
				t.Error("a tab behind a number is let in")
			}
			all, err = line.Parse([]byte("tab,t=a\tb v=1 \t\n"), 1, "")
		}
		var got []string
		for _, p := range all {
			got = append(got, fmt.Sprint(p.Number, " ", p.Series))
		}
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestBadPoints(t *testing.T) {
	for text, want := range map[string]string{
		"cpu":                            "missing fields",
		"cpu ":                           "missing",
		",a=b v=1":                       "missing measurement",
		"cpu,a v=1":                      "missing tag key or value",
		"cpu,=b v=1":                     "missing tag key or value",
		"cpu,a= v=1":                     "missing tag value",
		"cpu,a=b=c v=1":                  "missing tag value",
		"cpu, v=1":                       "missing tag",
		"cpu v":                          "missing field value",
		"cpu v=":                         "missing field value",
		"cpu =1":                         "missing field key",
		"cpu v=1,":                       "missing field key",
		"cpu v=x":                        "invalid number",
		"cpu v=0x10":                     "invalid number",
		"cpu v=NaN":                      "invalid number",
		"cpu v=1_000":                    "invalid number",
		"cpu v=i":                        "invalid number",
		"cpu v=9223372036854775808i":     "out of range",
		"cpu v=-1u":                      "invalid number",
		"cpu v=1e999":                    "out of range",
		`cpu v="x`:                       "unbalanced quotes",
		`cpu v="x"y`:                     "invalid field format",
		"cpu v=1 noon":                   "bad timestamp",
		"cpu v=1 1 2":                    "text behind the timestamp",
		"cpu v=1 9223372036854775807000": "bad timestamp",
		"cpu,a=\xff v=1":                 "not UTF-8",
	} {
		_, err := line.Parse([]byte("fine v=1\n"+text+"\nfine v=1"), 1, "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "line 2:") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := line.Parse([]byte("cpu v=1 9223372036854775"), 1e9, ""); err == nil || !strings.Contains(err.Error(), "outside range") {
		t.Errorf("seconds beyond the range: %v", err)
	}
}

func TestTemplates(t *testing.T) {
	for template, want := range map[string]string{
		"":                           `c\ p,h=x\,y,z=1`,
		"{series}":                   `c\ p,h=x\,y,z=1`,
		"{measurement}":              "c p",
		"{tag.h}":                    "x,y",
		"{bucket}/{source}:{tag.z}!": "bucket/source:1!",
		"{tag.none}":                 `c\ p,h=x\,y,z=1`,
		"all":                        "all",
	} {
		all, err := line.Parse([]byte(`c\ p,z=1,h=x\,y v=1`), 1, template)
		if err != nil || all[0].Key != want {
			t.Errorf("%q: %v, %v, want %q", template, all, err, want)
		}
	}
	for _, bad := range []string{"{", "}", "{}", "{tag.}", "{tag}", "{x}", "a{series"} {
		if _, err := line.Parse(nil, 1, bad); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLongKeysStayApart(t *testing.T) {
	long := "m,t=" + strings.Repeat("é", 300)
	all, err := line.Parse([]byte(long+"1 v=1\n"+long+"2 v=1\n"+long+"1 v=2"), 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Key != all[2].Key || all[0].Key == all[1].Key || utf8.RuneCountInString(all[0].Key) != shardlog.MaxPartitionKey {
		t.Errorf("%+v", all)
	}
}

// FuzzLines: what is let in is what Influx's own parser takes, raw lines read
// alone say the same, and keys are ones that the log takes.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"cpu,host=a,x=y v=1,w=2i 5\nmem v=\"a\nb\"", `m\ ,t\==\, f="\"\\",g=t -1`, "# c\n\r\na b=1u\t", "a b=1e5 1\r\n", "a\\\nb=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := line.Parse(b, 1, "")
		if err != nil {
			return
		}
		for _, p := range all {
			alone, err := line.Parse([]byte(p.Raw), 1, "")
			if err != nil || len(alone) != 1 || alone[0].Series != p.Series {
				t.Fatalf("%q alone: %v, %v", p.Raw, alone, err)
			}
			e := shardlog.Entry{Key: p.Key, Data: []byte(p.Raw)}
			if err := e.Check(shardlog.DefaultRecordBytes); err != nil {
				t.Fatal(err)
			}
			theirs(t, p)
		}
	})
}

// theirs compares a point with what Influx's parser makes of it.
func theirs(t *testing.T, p line.Point) {
	t.Helper()
	if strings.Contains(p.Raw, "\\") || strings.ContainsFunc(p.Raw, unicode.IsControl) { // of which each version of theirs has its own opinion
		return
	}
	metrics, err := protocol.NewParser(protocol.NewMetricHandler()).Parse([]byte(p.Raw))
	if err != nil || len(metrics) != 1 {
		t.Fatalf("%q: let in, but %v", p.Raw, err)
	}
	m := metrics[0]
	if m.Name() != p.Measurement {
		t.Fatalf("%q: measurement %q, theirs %q", p.Raw, p.Measurement, m.Name())
	}
	for _, tag := range m.TagList() {
		if _, ok := p.Tags[tag.Key]; !ok {
			t.Fatalf("%q: no tag %q", p.Raw, tag.Key)
		}
	}
}
