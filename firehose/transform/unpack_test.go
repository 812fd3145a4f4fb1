package transform_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"strings"
	"testing"

	"headgate/firehose/transform"
)

// packed is what AWS's aggregator for Python (aws-kinesis-agg 1.2.3) made of
// two records, the second with a hash key of its own.
const packed = "f3899ac20a0873656e736f722d310a0873656e736f722d3212273137303134313138333436303436393233313733313638373330333731353838343130353732381a0e08001a0a7b2274223a32312e357d1a10080110001a0a7b2274223a32322e357df36abe933f4c009e5effcd8583d6cf8c"

func unhex(t *testing.T, text string) string {
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func gzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnpacking(t *testing.T) {
	const logs = `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],
		"logEvents":[{"id":"1","timestamp":1,"message":"one\n"},{"id":"2","timestamp":2,"message":"{\"a\":\"ü\"}"}]}`
	both := unhex(t, packed)
	for name, c := range map[string]struct{ steps, in, want string }{
		"aggregated":            {`- deaggregate: true`, both, "1 {\"t\":21.5}\n1.1 {\"t\":22.5}"},
		"only looks aggregated": {`- deaggregate: true`, both[:len(both)-1] + "x", "1 " + both[:len(both)-1] + "x"},
		"not aggregated":        {`- deaggregate: true`, "abc", "1 abc"},
		"one of them filtered":  {"- deaggregate: true\n- filter: t > 22", both, `1 {"t":22.5}`},
		"its keys":              {"- deaggregate: true\n- filter: $key == \"sensor-2\"\n- set: {path: k, from: key}", both, `1 {"t":22.5,"k":"sensor-2"}`},
		"one of them bad":       {"- deaggregate: true\n- filter: t > 22\n- flatten: {}\n- cast: {path: t, to: integer}", both, "1 Transform.CastFailed: t cannot become integer"},
		"values":                {`- split: {}`, `{"a":1}{"a":2} {"a":3}` + "\n", "1 {\"a\":1}\n1.1 {\"a\":2}\n1.2 {\"a\":3}"},
		"values, cut":           {`- split: {}`, `{"a":1}{"a":`, "1 Transform.NotJSON: split: unexpected EOF"},
		"lines":                 {`- split: {delimiter: "\n"}`, "a\n\nb\n", "1 a\n1.1 b"},
		"gzip":                  {`- decompress: {}`, gzipped(t, "hello"), "1 hello"},
		"no gzip":               {`- decompress: {}`, "hello", "1 hello"},
		"no gzip, required":     {`- decompress: {required: true}`, "hello", "1 Transform.DecompressionFailed: the record is not gzip"},
		"cut gzip":              {`- decompress: {}`, gzipped(t, "hello")[:15], "1 Transform.DecompressionFailed: unexpected EOF"},
		"two gzips":             {`- decompress: {}`, gzipped(t, "he") + gzipped(t, "llo"), "1 hello"},
		"bomb by size":          {`- decompress: {max_bytes: 100, max_ratio: 2000}`, gzipped(t, strings.Repeat("a", 101)), "1 Transform.LimitExceeded: the record expands to more than 100 bytes, from 27"},
		"logs":                  {"- decompress: {}\n- cloudwatch_logs: true", gzipped(t, logs), "1 one\n\n1.1 {\"a\":\"ü\"}"},
		"control":               {`- cloudwatch_logs: true`, `{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"CWL CONTROL MESSAGE"}]}`, ""},
		"other type":            {`- cloudwatch_logs: true`, `{"messageType":"NEWS"}`, `1 Transform.CloudWatchLogsFailed: the record's messageType is "NEWS", not DATA_MESSAGE or CONTROL_MESSAGE`},
		"no events":             {`- cloudwatch_logs: true`, `{"messageType":"DATA_MESSAGE"}`, "1 Transform.CloudWatchLogsFailed: the record has no logEvents"},
		"no message":            {`- cloudwatch_logs: true`, `{"messageType":"DATA_MESSAGE","logEvents":[{"message":"a"},{}]}`, "1 Transform.CloudWatchLogsFailed: log event 2 has no message"},
		"still gzip":            {`- cloudwatch_logs: true`, gzipped(t, logs), "1 Transform.NotJSON: the record is not a JSON object"},
		"delimiter":             {`- append_delimiter: "|"`, "a", "1 a|"},
	} {
		if got := tell(t, chain(t, c.steps), records(c.in)); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

// TestBombs: what expands beyond all measure is refused before it is expanded.
func TestBombs(t *testing.T) {
	got := tell(t, chain(t, `- decompress: {}`), records(gzipped(t, strings.Repeat("a", 64<<20)), gzipped(t, "fine")))
	if want := "2 fine\n1 " + transform.CodeLimit + ": the record expands to more than "; !strings.HasPrefix(got, want) {
		t.Errorf("got %.200s", got)
	}
	got = tell(t, chain(t, `- split: {}`), records(strings.Repeat("{}", 70_000), "{}"))
	if want := "2 {}\n1 " + transform.CodeLimit + ": the record holds more than 65536 others"; got != want {
		t.Errorf("got %.200s", got)
	}
}

func TestPackedHashKeys(t *testing.T) {
	got, err := chain(t, `- deaggregate: true`).Apply(t.Context(), records(unhex(t, packed)))
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Records; r[0].Key != "sensor-1" || r[0].Hash != nil || r[1].Key != "sensor-2" || r[1].Hash == nil || r[1].Hash.Hi != 1<<63 || r[1].Arrived != arrived {
		t.Errorf("%+v", r)
	}
}
