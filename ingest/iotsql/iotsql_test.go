package iotsql_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"headgate/ingest/iotsql"
	"headgate/shardlog"
)

// message is what the tables' payloads come in.
func message(payload string) *iotsql.Message {
	return &iotsql.Message{
		Topic: "a/b", Client: "dev-1", Payload: []byte(payload), Arrived: time.UnixMilli(1481825251155),
		Text: true, ContentType: "application/json", ResponseTopic: "answers", Correlation: []byte("id"),
		User: []iotsql.Property{{Name: "deviceName", Value: "alpha"}, {Name: "deviceCnt", Value: "45"}, {Name: "deviceCnt", Value: "46"}},
	}
}

// apply is the output, "(none)" where WHERE is not true, or the error.
func apply(t *testing.T, sql string, m *iotsql.Message) string {
	t.Helper()
	s, err := iotsql.Parse(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, passed, err := s.Apply(m)
	switch {
	case err != nil && shardlog.KindOf(err) != shardlog.Invalid:
		t.Fatalf("%s: kind of %v", sql, err)
	case err != nil:
		return "error: " + err.Error()
	case !passed:
		return "(none)"
	}
	return string(out)
}

const (
	red    = `{"color":"red", "temperature":50}`
	things = `{"e":[{"n":"temperature","u":"Cel","t":1234,"v":22.5},{"n":"light","u":"lm","t":1235,"v":135},{"n":"acidity","u":"pH","t":1235,"v":7}]}`
	values = `{"attributes":{"data1":1,"data2":2},"values":[{"a":3},{"b":4},{"c":5}]}`
	deep   = `{"data1":"example","data2":{"a":"first attribute","b":"second attribute","c":[{"x":{"someInt":5,"someString":"hello"},"y":true},{"x":{"someInt":10,"someString":"world"},"y":false}]}}`
)

// TestClauses are the examples of AWS's pages on clauses, and what follows.
func TestClauses(t *testing.T) {
	for _, c := range []struct{ sql, payload, want string }{
		{"SELECT * FROM 'a/b'", red, red},
		{"SELECT color FROM 'a/b'", red, `{"color":"red"}`},
		{"SELECT color AS my_color FROM 'a/b'", red, `{"my_color":"red"}`},
		{"SELECT color as my_color, temperature as fahrenheit FROM 'a/b'", red, `{"my_color":"red","fahrenheit":50}`},
		{"SELECT *, 15 as speed FROM 'a/b'", red, `{"color":"red","temperature":50,"speed":15}`},
		{"SELECT *, 15 as color FROM 'a/b'", red, `{"temperature":50,"color":15}`},
		{"SELECT VALUE color FROM 'a/b'", red, `"red"`},
		{"select value color from 'a/b'", red, `"red"`},
		{"SELECT color.red as red_value FROM 'a/b'", `{"color":{"red":255,"green":0,"blue":0},"temperature":50}`, `{"red_value":255}`},
		{"SELECT color.red FROM 'a/b'", `{"color":{"red":255}}`, `{"red":255}`},
		{"SELECT (temperature - 32) * 5 / 9 AS celsius, upper(color) as my_color FROM 'a/b'", red, `{"celsius":10,"my_color":"RED"}`},
		{"SELECT color AS my_color FROM 'a/b' WHERE temperature > 50 AND color <> 'red'", `{"color":"red","temperature":40}`, "(none)"},
		{"SELECT color AS rgb FROM 'topic/subtopic' WHERE temperature > 50", `{"color":"red","temperature":100}`, `{"rgb":"red"}`},
		{"SELECT foo.bar AS bar.baz FROM 'a/b'", `{"foo":{"bar":1}}`, `{"bar":{"baz":1}}`},
		{"SELECT 1 AS s.r.a, 2 AS s.r.b FROM 'a/b'", `{}`, `{"s":{"r":{"a":1,"b":2}}}`},
		{"SELECT NULL AS n FROM 'a/b'", "", `{"n":null}`},
		{"SELECT foo, bar FROM 'a/b'", `{"foo":null}`, `{"foo":null}`},
		{"SELECT {'latitude': get(lat_long, 0),'longitude':get(lat_long, 1)} as lat_long FROM 'a/b'", `{"lat_long":[47.606,-122.332]}`, `{"lat_long":{"latitude":47.606,"longitude":-122.332}}`},
		{"SELECT [lat,long] as lat_long FROM 'a/b'", `{"lat":47.606,"long":-122.332}`, `{"lat_long":[47.606,-122.332]}`},
		{"SELECT VALUE [lat, long] FROM 'a/b'", `{"lat":1,"long":2}`, `[1,2]`},
		{"SELECT a[1].b AS x, a[-1] AS none, a[9] AS gone FROM 'a/b'", `{"a":[1,{"b":2}]}`, `{"x":2}`},
		{"SELECT value, value.x AS y FROM 'a/b'", `{"value":{"x":1}}`, `{"value":{"x":1},"y":1}`},
		{"SELECT value * 2 AS twice FROM 'a/b'", `{"value":4}`, `{"twice":8}`},
		{"SELECT VALUE * FROM 'a/b'", red, red},
		{"SELECT * AS payload, topic() AS topic FROM 'a/b'", `{"x":1.50}`, `{"payload":{"x":1.50},"topic":"a/b"}`},
		{"SELECT VALUE gone FROM 'a/b'", red, ""},
		{"SELECT temperature FROM 'a/b'", red[1:], "error: apply sql: invalid: the payload is no JSON"},

		// Payloads that are no JSON.
		{"SELECT * FROM 'a/b'", "\x00\xff", "\x00\xff"},
		{"SELECT * FROM 'a/b' WHERE timestamp() % 12 = 3", "\x00\xff", "\x00\xff"},
		{"SELECT encode(*, 'base64') AS data, timestamp() AS ts FROM 'a/b'", "\x00\xff", `{"data":"AP8=","ts":1481825251155}`},
		{"SELECT *, timestamp() AS timestamp FROM 'a/b'", "\x00\xff", "error: apply sql: invalid: * stands beside other values, and the payload is no JSON object"},
		{"SELECT * FROM 'a/b' WHERE device_type = 'thermostat'", "\x00\xff", "error: apply sql: invalid: the payload is no JSON"},
		{"SELECT decode(encode(*, 'base64'), 'base64') AS value FROM 'topic/subtopic' WHERE decode(encode(*, 'base64'), 'base64') > 50", "80", `{"value":80}`},

		// Nested SELECT.
		{"SELECT (SELECT VALUE n FROM e) as sensors FROM 'my/topic'", things, `{"sensors":["temperature","light","acidity"]}`},
		{"SELECT (SELECT v FROM e WHERE n = 'temperature') as temperature FROM 'my/topic'", things, `{"temperature":[{"v":22.5}]}`},
		{"SELECT get((SELECT v FROM e WHERE n = 'temperature'), 0).v as temperature FROM 'topic'", things, `{"temperature":22.5}`},
		{"SELECT (SELECT * FROM e AS x WHERE x.v > 100) AS large FROM 't'", things, `{"large":[{"n":"light","u":"lm","t":1235,"v":135}]}`},
		{"SELECT 1 AS yes FROM 'a/b' WHERE EXISTS (SELECT * FROM arr AS a WHERE a = 3)", `{"arr":[1,3]}`, `{"yes":1}`},
		{"SELECT 1 AS yes FROM 'a/b' WHERE EXISTS (SELECT * FROM arr AS a WHERE a = 4)", `{"arr":[1,3]}`, "(none)"},
		{`select value transform("enrichArray", attributes, values) from 'A/B'`, values, `[{"a":3,"data1":1,"data2":2},{"b":4,"data1":1,"data2":2},{"c":5,"data1":1,"data2":2}]`},
		{`select value transform("enrichArray", {"key": attributes.data1}, values) from 'A/B'`, values, `[{"a":3,"key":1},{"b":4,"key":1},{"c":5,"key":1}]`},
		{`select value transform('enrichArray', (select a, b from data2), (select value c from data2)) from 'A/B'`, deep,
			`[{"x":{"someInt":5,"someString":"hello"},"y":true,"a":"first attribute","b":"second attribute"},{"x":{"someInt":10,"someString":"world"},"y":false,"a":"first attribute","b":"second attribute"}]`},
		{"SELECT temp, md5(deviceid) AS hashed_id FROM 'topic/#'", `{"deviceid":"iot123","temp":54.98}`, `{"temp":54.98,"hashed_id":"e37f81fb397e595c4aeb5645b8cbbbd1"}`},
		{`SELECT decode(encoded_temp,"base64").temperature AS temp from 'topic/subtopic'`, `{"encoded_temp":"eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg=="}`, `{"temp":33}`},
		{"SELECT CASE color WHEN 'green' THEN 'go' WHEN 'yellow' THEN 'caution' WHEN 'red' THEN 'stop' ELSE 'you are not at a stop light' END as instructions FROM 'a/b'", `{"color":"yellow"}`, `{"instructions":"caution"}`},
		{"SELECT CASE gone WHEN 1 THEN 2 ELSE 3 END AS x, CASE color WHEN 'x' THEN 1 END AS y FROM 'a/b'", red, `{}`},
		{"SELECT CASE WHEN temperature > 40 THEN 'hot' ELSE 'cold' END AS how FROM 'a/b'", red, `{"how":"hot"}`},
	} {
		if got := apply(t, c.sql, message(c.payload)); got != c.want {
			t.Errorf("%s\n on %s\n got %s\nwant %s", c.sql, c.payload, got, c.want)
		}
	}
}

// TestExpressions are the examples of AWS's pages on operators, types and
// functions; an empty want is Undefined.
func TestExpressions(t *testing.T) {
	for _, c := range []struct{ expression, want string }{
		// operators
		{"true AND 'TRUE'", "true"}, {"true AND 1", ""}, {"false OR true", "true"}, {"true OR gone", ""}, {"NOT 'False'", "true"}, {"NOT 0", ""},
		{"NOT 1 = 2 AND true", "true"}, {"2 > 1", "true"}, {"'2' > 1.5", "true"}, {"'x' > 1", ""}, {"null > 1", ""}, {"1 <= 1.0", "true"},
		{"1 = 1.0", "true"}, {"1 = '1'", "false"}, {"1 <> '1'", "true"}, {"gone = 1", ""}, {"gone <> 1", ""}, {"null <> null", "false"}, {"null = null", "true"},
		{"[1,2] = [1,2]", "true"}, {"[1,2] = [2,1]", "false"}, {"{'a':1,'b':2} = {'b':2,'a':1}", "true"}, {"{'a':1} <> {'a':2}", "true"},
		{"'a' + 1", `"a1"`}, {"1 + 'a'", `"1a"`}, {"'a' + [1,'b']", `"a[1,\"b\"]"`}, {"'a' + null", ""}, {"1 + 2", "3"}, {"1 + 2.5", "3.5"}, {"1 + true", ""},
		{"5 - '2'", "3"}, {"5 - 'x'", ""}, {"2 * 3 + 4", "10"}, {"2 + 3 * 4", "14"}, {"7 / 2", "3"}, {"-7 / 2", "-3"}, {"7 / 2.5", "2.8"}, {"1 / 0", ""},
		{"1.0 / 3.5", "0.2857142857142857142857142857142857"}, {"7 % 3", "1"}, {"7.5 % 2", "1.5"}, {"7 % 0", ""}, {"-(3)", "-3"}, {"--3", "3"}, {"0.1 + 0.2", "0.3"},
		{"3 IN [1,3]", "true"}, {"3 IN (1,2)", "false"}, {"'a' IN (SELECT VALUE n FROM gone)", ""}, {"3 IN 3", ""}, {"gone IN [1]", ""}, {"NOT 3 IN [1]", "true"},
		{"9999999999999999999999999999999999 + 1", "10000000000000000000000000000000000"}, {"1e999 * 10", ""}, {"12345678901234567890 + 1", "12345678901234567891"},
		// functions, in AWS's order
		{"abs(-5)", "5"}, {`abs("-5.123")`, "5.123"}, {"abs(true)", ""}, {"abs([1])", ""}, {"abs(null)", ""}, {"acos(0)", "1.5707963267948966"}, {"acos(2)", ""},
		{"asin(0)", "0"}, {"atan(0)", "0"}, {"atan2(1, 0)", "1.5707963267948966"}, {"bitand(13, 5)", "5"}, {"bitor(8, 5)", "13"}, {"bitxor(13, 5)", "8"}, {"bitnot(13)", "-14"},
		{"cast(true as Int)", "1"}, {"cast('12.7' as Int)", "12"}, {"cast(12 as String)", `"12"`}, {"cast(0 as Boolean)", "false"}, {"cast('x' as Bool)", ""}, {"cast(null as Int)", ""}, {"cast(1.5 as Double)", "1.5"},
		{"ceil(1.2)", "2"}, {"ceil(-1.2)", "-1"}, {"chr(65)", `"A"`}, {"chr(49)", `"1"`}, {"chr(200)", ""}, {"clientid()", `"dev-1"`},
		{"concat()", ""}, {"concat(1)", "1"}, {"concat([1, 2, 3], 4)", "[1,2,3,4]"}, {`concat([1, 2, 3], "hello")`, `[1,2,3,"hello"]`}, {`concat("con", "cat")`, `"concat"`}, {`concat(1, "hello")`, `"1hello"`},
		{`concat("he","is","man")`, `"heisman"`}, {`concat([1, 2, 3], "hello", [4, 5, 6])`, `[1,2,3,"hello",4,5,6]`}, {"concat(1,2)", ""},
		{"cos(0)", "1"}, {"cosh(2.3)", "5.037220649268761"}, {"decode('AAA', 'base64')", "null"}, {"decode('aGk=', 'base64')", `"hi"`}, {"encode('hi', 'base64')", `"aGk="`},
		{`endswith("cat","at")`, "true"}, {"endswith(null, 'a')", ""}, {"exp(1)", "2.718281828459045"}, {"floor(1.2)", "1"}, {"floor(-1.2)", "-2"}, {"floor([1,2,3])", ""},
		{`get(["a", "b", "c"], 1)`, `"b"`}, {`get({"a":"b"}, "a")`, `"b"`}, {`get("abc", 0)`, `"a"`}, {"get([1], 5)", ""}, {"get_or_default(gone, 7)", "7"}, {"get_or_default(null)", ""},
		{"get_mqtt_property('content_type')", `"application/json"`}, {"get_mqtt_property('format_indicator')", `"UTF8_DATA"`}, {"get_mqtt_property('correlation_data')", `"aWQ="`}, {"get_mqtt_property('x')", ""},
		{"get_user_properties('deviceName')", `"alpha"`}, {"get_user_properties('deviceCnt')", `["45","46"]`}, {"get_user_properties('x')", ""},
		{`md5("hello")`, `"5d41402abc4b2a76b9719d911017c592"`}, {"sha1('hello')", `"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"`}, {"sha256('hello')", `"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"`},
		{`indexof("abcd", "bc")`, "1"}, {"indexof('abcd', 'x')", "-1"}, {"isNull(5)", "false"}, {"isNull(Null)", "true"}, {"isUndefined(5)", "false"}, {"isUndefined(floor([1,2,3]))", "true"},
		{`length("hi")`, "2"}, {"length(false)", "5"}, {"length('€')", "1"}, {"ln(1)", "0"}, {"ln(0)", ""}, {"log(100)", "2"}, {`lower("HELLO")`, `"hello"`}, {`lower(["HELLO"])`, `"[\"hello\"]"`},
		{`lpad("hello", 2)`, `"  hello"`}, {"lpad(1, 3)", `"   1"`}, {"length(lpad('', 5000))", "1000"}, {`Ltrim(" h i ")`, `"h i "`}, {"mod(8, 3)", "2"}, {"Nanvl(8, 3)", "8"}, {"nanvl(gone, 3)", "3"},
		{`numbytes("hi")`, "2"}, {`numbytes("€")`, "3"},
		{`parse_time("yyyy.MM.dd G 'at' HH:mm:ss z", 1497028786000)`, `"2017.06.09 AD at 17:19:46 UTC"`}, {`parse_time("yyyy", timestamp(), "UTC")`, `"2016"`}, {"parse_time('HH:mm:ss.SSS ZZ', 5, '+02:00')", `"02:00:00.005 +02:00"`},
		{"parse_time('QQ', 5)", ""}, {"power(2, 5)", "32"}, {"power('2', 0.5)", "1.4142135623730951"},
		{`regexp_matches("aaaa", "a{2,}")`, "true"}, {`regexp_matches("aaaa", "b")`, "false"}, {"regexp_matches('a', '(')", ""}, {`regexp_replace("abcd", "bc", "x")`, `"axd"`}, {`regexp_replace("abcd", "b(.*)d", "$1")`, `"ac"`},
		{`regexp_replace("abcd", "b(.)d", "$1x")`, `"acx"`}, {`regexp_substr("hihihello", "hi")`, `"hi"`}, {`regexp_substr("hihihello", "(hi)*")`, `"hihi"`}, {"remainder(8, 3)", "2"},
		{`replace("abcd", "bc", "x")`, `"axd"`}, {`replace("abcdabcd", "b", "x")`, `"axcdaxcd"`}, {`rpad("hello", 2)`, `"hello  "`}, {"rpad(1, 3)", `"1   "`},
		{"Round(1.2)", "1"}, {"Round(1.5)", "2"}, {"Round(1.7)", "2"}, {"Round(-1.1)", "-1"}, {"Round(-1.5)", "-2"}, {`rtrim(" h i ")`, `" h i"`}, {"sign(-7)", "-1"}, {"sign(0)", "0"}, {"sign(13)", "1"},
		{"sin(0)", "0"}, {"sinh(2.3)", "4.936961805545957"}, {`substring("012345", 0)`, `"012345"`}, {`substring("012345", 2)`, `"2345"`}, {`substring("012345", 2.745)`, `"2345"`}, {"substring(123, 2)", `"3"`},
		{`substring("012345", -1)`, `"012345"`}, {"substring(true, 1.2)", `"rue"`}, {"substring(false, -2.411E247)", `"false"`}, {`substring("012345", 1, 3)`, `"12"`}, {`substring("012345", -50, 50)`, `"012345"`}, {`substring("012345", 3, 1)`, `""`},
		{"sql_version()", `"2016-03-23"`}, {"sqrt(9)", "3"}, {"sqrt(-1)", ""}, {`startswith("ranger","ran")`, "true"}, {"tan(3)", "-0.1425465430742778"}, {"tanh(2.3)", "0.9800963962661914"},
		{`time_to_epoch("2020-04-03 09:45:18 UTC+01:00", "yyyy-MM-dd HH:mm:ss VV")`, "1585903518000"}, {`time_to_epoch("18 December 2015", "dd MMMM yyyy")`, "1450396800000"},
		{`time_to_epoch("2007-12-03 10:15:30.592 -08:00", "yyyy-MM-dd HH:mm:ss.SSS z")`, "1196705730592"}, {"time_to_epoch('x', 'yyyy')", ""},
		{"timestamp()", "1481825251155"}, {"topic()", `"a/b"`}, {"topic(1)", `"a"`}, {"topic(2)", `"b"`}, {"topic(3)", ""}, {"topic(0)", ""},
		{`Trim(" hi ")`, `"hi"`}, {"trunc(2.3, 0)", "2"}, {"trunc(2.3123, 2)", "2.31"}, {"trunc(2.888, 2)", "2.88"}, {"trunc(2.00, 5)", "2"}, {`upper("hello")`, `"HELLO"`}, {`upper(["hello"])`, `"[\"HELLO\"]"`},
	} {
		if got := apply(t, "SELECT VALUE ("+c.expression+") FROM 'a/b'", message("{}")); got != c.want {
			t.Errorf("%s: got %s, want %s", c.expression, got, c.want)
		}
	}
}

// TestFiguresOfTheDevice: what is not computed with stays as it was written.
func TestFiguresOfTheDevice(t *testing.T) {
	for _, c := range []struct{ sql, payload, want string }{
		{"SELECT a, b FROM 'a/b'", `{"a":1.50,"b":12345678901234567890123456789012345678901234567890}`, `{"a":1.50,"b":12345678901234567890123456789012345678901234567890}`},
		{"SELECT a + 0 AS a FROM 'a/b'", `{"a":12345678901234567890123456789012345678901234567890}`, `{"a":12345678901234567890123456789012350000000000000000}`},
		{"SELECT a * 2 AS b FROM 'a/b'", `{"a":0.1}`, `{"b":0.2}`},
		{"SELECT a / 4 AS b FROM 'a/b'", `{"a":10.0}`, `{"b":2}`}, // whole numbers are Ints in version 2016-03-23
		{"SELECT s FROM 'a/b'", `{"s":"\u00e9\ud83d\ude00<\u0001\n"}`, `{"s":"é😀<\u0001\n"}`},
	} {
		if got := apply(t, c.sql, message(c.payload)); got != c.want {
			t.Errorf("%s on %s: got %s, want %s", c.sql, c.payload, got, c.want)
		}
	}
}

func TestMessagesOfTheirOwn(t *testing.T) {
	uuid := regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`)
	for _, sql := range []string{"SELECT VALUE newuuid() FROM 'a'", "SELECT VALUE traceid() FROM 'a'"} {
		if got := apply(t, sql, message("{}")); !uuid.MatchString(got) {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if a, b := apply(t, "SELECT VALUE traceid() FROM 'a'", message("1")), apply(t, "SELECT VALUE traceid() FROM 'b'", message("1")); a != b {
		t.Errorf("one message has two traces: %s %s", a, b)
	}
	if got := apply(t, "SELECT VALUE clientid() FROM 'a'", &iotsql.Message{}); got != `"n/a"` {
		t.Errorf("no client: %s", got)
	}
	if got := apply(t, "SELECT VALUE get_user_properties() FROM 'a'", message("")); got != `[{"deviceName":"alpha"},{"deviceCnt":"45"},{"deviceCnt":"46"}]` {
		t.Errorf("user properties: %s", got)
	}
}

func TestFaultsHaveTheirPlace(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"", "at 1: want SELECT"},
		{"SELECT FROM 'a'", "at 8: want a value"},
		{"SELECT a FROM a", "at 15: want a topic filter"},
		{"SELECT a FROM 'a/#/b'", "at 15: "},
		{"SELECT 1 FROM 'a'", "needs a name"},
		{"SELECT a FROM 'a' WHERE", "at 24: want a value"},
		{"SELECT a FROM 'a' x", "at 19: want the end"},
		{"SELECT a AS FROM 'a'", "at 13: want a name"},
		{"SELECT 'a FROM b", "no closing '"},
		{"SELECT a ! b FROM 'a'", "at 10: '!' means nothing"},
		{"SELECT nothing(1) AS x FROM 'a'", "at 8: there is no function nothing"},
		{"SELECT abs() AS x FROM 'a'", "abs does not take 0 arguments"},
		{"SELECT aws_lambda('x', *) AS x FROM 'a'", "aws_lambda is not there at the edge: put a delivery"},
		{"SELECT get_thing_shadow('x', 'y') AS x FROM 'a'", "not there at the edge"},
		{"SELECT encode(a, 'hex') AS x FROM 'a'", "encode takes a value and 'base64'"},
		{"SELECT cast(a AS blob) AS x FROM 'a'", "is no type"},
		{"SELECT a, FROM 'a'", "want a value"},
		{"SELECT VALUE a, b FROM 'a'", "one value"},
		{"SELECT * + 1 AS x FROM 'a'", "at 10"},
		{"SET @x = 1 SELECT a FROM 'a'", "means nothing"},
		{"SELECT CASE a END AS x FROM 'a'", "want WHEN"},
		{"SELECT " + strings.Repeat("(", 100) + "1", "64 deep"},
		{"SELECT " + strings.Repeat("-", 100) + "1", "64 deep"},
		{"SELECT " + strings.Repeat("NOT ", 100) + "a", "64 deep"},
		{"SELECT a FROM '" + strings.Repeat("a", iotsql.MaxSQL), "are allowed"},
		{"SELECT \xff FROM 'a'", "not UTF-8"},
	} {
		_, err := iotsql.Parse(c.sql)
		if err == nil || shardlog.KindOf(err) != shardlog.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.sql, err, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"fixed", "fixed"}, {"", ""}, {"${topic(2)}", "b"}, {"${topic()}/republish", "a/b/republish"}, {"x${clientid()}y${id}z", "xdev-1y7z"},
		{"${get({'a':'}'}, 'a')}", "}"}, {"${CASE id WHEN 7 THEN 'seven' END}", "seven"}, {"$x{y}", "$x{y}"},
		{"${gone}", "error"}, {"${null}", "error"},
	} {
		p, err := iotsql.ParseTemplate(c.template)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		got, err := p.Fill(message(`{"id":7}`))
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.template, got, err, c.want)
		}
	}
	for _, text := range []string{"${", "${topic(}", "${a b}", "${}", "${'}", "${*}"} {
		if _, err := iotsql.ParseTemplate(text); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestOneMessageIsBounded: a rule that multiplies what it is given is stopped.
func TestOneMessageIsBounded(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", 500<<10) + `","l":[` + strings.Repeat("1,", 100_000) + `1]}`
	for _, sql := range []string{
		"SELECT concat(" + strings.Repeat("a,", 2000) + "a) AS x FROM 'a'",
		"SELECT replace(a, 'x', '" + strings.Repeat("y", 5000) + "') AS x FROM 'a'",
		"SELECT " + strings.Repeat("upper(a) + ", 500) + "a AS x FROM 'a'",
		"SELECT regexp_replace(a, 'x', '" + strings.Repeat("$0", 1000) + "') AS x FROM 'a'",
		"SELECT (SELECT VALUE 1 IN [" + strings.Repeat("2,", 3000) + "3] FROM l) AS x FROM 'a'",
	} {
		began := time.Now()
		if got := apply(t, sql, message(large)); !strings.Contains(got, "too much") {
			t.Errorf("%.50s: %.80s", sql, got)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%.50s took %v", sql, took)
		}
	}
	nested := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	if got := apply(t, "SELECT a FROM 'a'", message(nested)); !strings.Contains(got, "too deep") {
		t.Error(got)
	}
}

func FuzzStatement(f *testing.F) {
	for _, sql := range []string{
		"SELECT *, topic(2) AS t FROM 'a/+/#' WHERE a.b[0] > 1.5e3 AND NOT x IN [1,'2'] OR isNull(y)",
		"SELECT VALUE (SELECT VALUE n FROM e AS x WHERE EXISTS (SELECT * FROM x.y)) FROM 'a'",
		"SELECT CASE a WHEN 1 THEN {'a': [b]} ELSE -c END AS d.e FROM \"q\"\"q\"",
		`SELECT regexp_replace(a, "b(.*)d", "$1") AS r, parse_time('yyyy-MM-dd', ts, 'UTC') AS t, cast(x AS Int) AS i, encode(*, 'base64') AS p`,
		"SELECT trunc(1e999 / 3, 99) AS x, bitxor(a, b) AS y, 1 % 0.3 AS z, time_to_epoch(a, 'yyyy VV') AS e FROM 'a'",
	} {
		f.Add(sql, []byte(`{"a":{"b":[2000]},"x":"2","e":[{"n":1}],"y":null}`))
	}
	f.Fuzz(func(t *testing.T, sql string, payload []byte) {
		if tm, err := iotsql.ParseTemplate(sql); err == nil {
			_, _ = tm.Fill(message(string(payload)))
		}
		s, err := iotsql.Parse(sql)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("kind of %v", err)
			}
			return
		}
		m := message(string(payload))
		out, passed, err := s.Apply(m)
		if err == nil && passed && len(out) > 0 && string(out) != string(m.Payload) && !json.Valid(out) {
			t.Errorf("%q made of %q with %q", out, payload, sql)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	s, err := iotsql.Parse("SELECT device, (temperature - 32) * 5 / 9.0 AS celsius, topic(2) AS room FROM 'a/+' WHERE temperature > 40")
	if err != nil {
		b.Fatal(err)
	}
	m := message(`{"device":"press-7","temperature":50.5,"humidity":32.43,"coords":{"latitude":47.615694,"longitude":-122.3359976}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, passed, err := s.Apply(m); err != nil || !passed {
			b.Fatal(err)
		}
	}
}
