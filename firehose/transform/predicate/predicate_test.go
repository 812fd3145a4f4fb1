package predicate_test

import (
	"strings"
	"testing"

	"headgate/firehose/transform/predicate"
	"headgate/shardlog"
)

const document = `{"temp":51.5,"status":"RUN","big":9007199254740993,"ok":true,"none":null,"in":"reserved",
	"device":{"name":"press-7","tags":["a","b"]},"a.b":"dotted","größe":3,"n":-4,"list":[1,2]}`

func TestConditions(t *testing.T) {
	for text, want := range map[string]bool{
		`temp > 50 and status == "RUN"`:         true,
		`temp>50&&status='RUN'`:                 true,
		`temp > 51.5`:                           false,
		`temp >= 51.5`:                          true,
		`temp <= 5.15e1`:                        true,
		`temp < "60"`:                           false, // other types have no order
		`temp != "51.5"`:                        true,
		`big == 9007199254740993`:               true,
		`big == 9007199254740992`:               false, // the same float64
		`big > 9007199254740992`:                true,
		`n < -3`:                                true,
		`ok == true and not ok == false`:        true,
		`none == null and missing == null`:      true,
		`missing != 1`:                          true,
		`missing < 1 or missing > 1`:            false,
		`exists none and exists(device.name)`:   true,
		`exists missing`:                        false,
		`not exists missing`:                    true,
		`status in ("STOP", "RUN")`:             true,
		`status not in ("STOP", "RUN")`:         false,
		`temp in (1, 51.5)`:                     true,
		`missing in ("x")`:                      false,
		`device.name like "press-%"`:            true,
		`device.name like "press-_"`:            true,
		`device.name like "press-__"`:           false,
		`device.name like "%s-7"`:               true,
		`device.name like "press\\_7"`:          false,
		`device.name not like "%x%"`:            true,
		`temp like "5%"`:                        false,
		`device.tags.1 == "b"`:                  true,
		`device.tags.# == 2`:                    true,
		"`a\\.b` == \"dotted\"":                 true,
		"`in` == 'reserved'":                    true,
		`größe == 3`:                            true,
		`$key == "k" and $key like "k%"`:        true,
		`temp == 1 or temp == 2 or n == -4`:     true,
		`temp == 1 and temp == 2 or n == -4`:    true,
		`temp == 1 and (temp == 2 or n == -4)`:  false,
		`! (temp == 1) AND NOT status = 'STOP'`: true,
		`list == list and list != device.tags`:  true,
		`"RUN" == status`:                       true,
		`status == 'it\'s'`:                     false,
		`not not ok == true`:                    true,
		`device == null`:                        false,
		`status > "RA" and status < "RZ"`:       true,
	} {
		p, err := predicate.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Match(predicate.Document{JSON: document, Key: "k"}); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestMistakesAreShown(t *testing.T) {
	for text, want := range map[string]string{
		``:                       "at character 1: a path or a value is expected, not the end",
		`temp`:                   "at character 5: a comparison, in or like is expected, not the end",
		`temp >`:                 "at character 7: a path or a value is expected, not the end",
		`temp > 5 status == 1`:   `at character 10: "status" follows where and, or or the end should`,
		`(temp > 5`:              `at character 10: ")" is expected, not the end`,
		`temp in 5`:              `at character 9: "(" is expected, not "5"`,
		`temp in ()`:             `at character 10: a path or a value is expected, not ")"`,
		`temp like 5`:            `at character 11: like is followed by a string, not "5"`,
		`temp not = 5`:           `at character 10: in or like is expected after not, not "="`,
		`temp == "x`:             `at character 9: a string begins with " and does not end`,
		`temp == 1-2`:            `at character 10: "-2" follows where and, or or the end should`,
		`temp == 1.2.3`:          `at character 9: 1.2.3 is not a number`,
		`temp ; 1`:               "at character 6: ';' is not understood; write a path with other characters as `path`",
		`and == 1`:               `at character 1: a path or a value is expected, not "and"`,
		"`a.*` == 1":             `at character 1: * has no meaning in the path "a.*"; write \* for the character`,
		`$seq == 1`:              `at character 1: $seq is unknown; $key is known`,
		`exists "x"`:             `at character 11: exists is about a path`,
		strings.Repeat("(", 200): "at character 101: more than 100 levels",
	} {
		_, err := predicate.Parse(text)
		if err == nil || shardlog.KindOf(err) != shardlog.Invalid || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`a > 1 and b like "%x_" or not exists c`, "`a.b` in (1,'x',null)", `$key != "k"`, `((a=1))`} {
		f.Add(s, document)
	}
	f.Fuzz(func(t *testing.T, text, json string) {
		p, err := predicate.Parse(text)
		if err != nil {
			return
		}
		d := predicate.Document{JSON: json}
		if p.Match(d) != p.Match(d) {
			t.Errorf("%s does not agree with itself", text)
		}
		if n, err := predicate.Parse("not (" + text + ")"); err == nil && n.Match(d) == p.Match(d) {
			t.Errorf("%s and its negation agree", text)
		}
	})
}
