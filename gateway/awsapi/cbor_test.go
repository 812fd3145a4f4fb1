package awsapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/gateway/awsapi"
)

const typeCBOR = "application/x-amz-cbor-1.1"

// asCBOR is a JSON text as an SDK would have sent it in CBOR.
func asCBOR(t testing.TB, text string) cbor.Value {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return toCBOR(value)
}

func toCBOR(value any) cbor.Value {
	switch value := value.(type) {
	case map[string]any:
		m := cbor.Map{}
		for name, member := range value {
			m[name] = toCBOR(member)
		}
		return m
	case []any:
		l := cbor.List{}
		for _, element := range value {
			l = append(l, toCBOR(element))
		}
		return l
	case string:
		return cbor.String(value)
	case bool:
		return cbor.Bool(value)
	case float64:
		if value == float64(uint64(value)) && value < 1<<53 {
			return cbor.Uint(value)
		}
		return cbor.Float64(value)
	}
	return &cbor.Nil{}
}

func cborRequest(t testing.TB, url string, body []byte) *http.Request {
	t.Helper()
	r := request(t, url, string(body))
	r.Header.Set("Content-Type", typeCBOR)
	return r
}

// wantsCBOR fails unless the answer is what this JSON is in CBOR.
func (a answer) wantsCBOR(t testing.TB, status int, want string) {
	t.Helper()
	got, err := cbor.Decode([]byte(a.body))
	if err != nil || a.status != status || !reflect.DeepEqual(got, asCBOR(t, want)) || a.header.Get("Content-Type") != typeCBOR {
		t.Errorf("got  %d %+v, %v, %v\nwant %d %s", a.status, got, err, a.header, status, want)
	}
}

func TestCBOR(t *testing.T) {
	_, url := open(t)
	say := func(body string) answer {
		return send(t, sign(t, cborRequest(t, url, []byte(body)), owner, "sa-east-1", time.Now()))
	}
	const heard = `{"Word":"hi","Key":"` + keyID + `","Region":"sa-east-1","SkewUnchecked":false}`
	for name, body := range map[string]string{
		"lengths":              "\xa1\x64Word\x62hi",
		"no lengths, Jackson":  "\xbf\x64Word\x62hi\xff",
		"pieces":               "\xbf\x7f\x62Wo\x62rd\xff\x7f\x61h\x60\x61i\xff\xff",
		"long forms":           "\xbb\x00\x00\x00\x00\x00\x00\x00\x01\x78\x04Word\x79\x00\x02hi",
		"nulls and strangers":  "\xbf\x65Times\xf6\x64Tone\xf7\x67Unknown\x9f\xbf\x61a\x01\xff\x80\xa0\xff\x64Word\x62hi\xff",
		"a tag of its own":     "\xd9\xd9\xf7\xa1\x64Word\x62hi",
		"time of whole ms":     "\xa2\x64Word\x62hi\x64When\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b",
		"time of a float":      "\xa2\x64Word\x62hi\x64When\xc1\xfb\x42\x78\xbc\xfe\x56\x87\xb0\x00",
		"time without a tag":   "\xa2\x64Word\x62hi\x64When\x00",
		"bytes, whole":         "\xa2\x64Word\x62hi\x64Blob\x44\x00\xff\x00\xff",
		"bytes, in pieces":     "\xa2\x64Word\x62hi\x64Blob\x5f\x41a\x40\x42bc\xff",
		"numbers of all kinds": "\xa2\x64Word\x62hi\x65Times\xf9\x40\x00",
	} {
		t.Run(name, func(t *testing.T) { say(body).wantsCBOR(t, 200, heard) })
	}
	nothing := say("\xa1\x64Word\x67nothing")
	nothing.wants(t, 200, "")
	say("\xa1\x64Word\x65fault").wantsCBOR(t, 500, `{"__type":"InternalFailure","message":"Internal service failure."}`)
	say("\xa1\x64Word\x64busy").wantsCBOR(t, 503, `{"__type":"ServiceUnavailable","message":"Later."}`)
}

// TestWrongCBOR: what is no map of well-formed CBOR is refused, quickly, and
// with as little memory as it has bytes.
func TestWrongCBOR(t *testing.T) {
	_, url := open(t)
	for name, body := range map[string]string{
		"cut off":                  "\xa1\x64Word\x62h",
		"cut off before an end":    "\xbf\x64Word\x62hi",
		"something behind":         "\xa1\x64Word\x62hi\x00",
		"a list":                   "\x80",
		"a string":                 "\x62hi",
		"null":                     "\xf6",
		"JSON":                     `{"Word":"hi"}`,
		"a name twice":             "\xa2\x64Word\x62hi\x64Word\x62hi",
		"a number for a name":      "\xa1\x01\x62hi",
		"bytes for a name":         "\xa1\x44Word\x62hi",
		"no UTF-8":                 "\xa1\x64Word\x62h\xff",
		"a letter in two pieces":   "\xa1\x64Word\x7f\x61\xc3\x61\xa4\xff",
		"pieces of another kind":   "\xa1\x64Word\x7f\x42hi\xff",
		"pieces in pieces":         "\xa1\x64Word\x7f\x7f\x62hi\xff\xff",
		"a number without end":     "\xa2\x64Word\x62hi\x65Times\x1f\xff",
		"a tag without end":        "\xa1\x64Word\xdf\x62hi\xff",
		"a head that is not used":  "\xa1\x64Word\x7c",
		"an end out of place":      "\xa2\x64Word\x62hi\x65Times\xff",
		"a simple value":           "\xa2\x64Word\x62hi\x65Times\xf8\x20",
		"not a number":             "\xa2\x64Word\x62hi\x65Times\xf9\x7e\x00",
		"without bound":            "\xa2\x64Word\x62hi\x65Times\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
		"a string of 2^63 bytes":   "\xa1\x64Word\x7b\x7f\xff\xff\xff\xff\xff\xff\xffhi",
		"a string of 2^64-1 bytes": "\xa1\x64Word\x7b\xff\xff\xff\xff\xff\xff\xff\xffhi",
		"a map of 2^64-1 pairs":    "\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x64Word\x62hi",
		"a list of 2^32-1":         "\xa2\x64Word\x62hi\x64List\x9a\xff\xff\xff\xff\xa0",
		"lists in lists":           "\xa1\x64List" + strings.Repeat("\x81", 1<<20),
		"maps in maps":             strings.Repeat("\xa1\x61a", 1<<20),
		"tags on tags":             "\xa1\x64Word" + strings.Repeat("\xc1", 1<<20) + "\x62hi",
		"a million nothings":       "\xa1\x64List\x9f" + strings.Repeat("\x40", 1<<20) + "\xff",
		"a million pieces":         "\xa1\x64Word\x7f" + strings.Repeat("\x60", 1<<20) + "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, sign(t, cborRequest(t, url, []byte(body)), owner, "us-east-1", time.Now()))
			got.wantsCBOR(t, 400, `{"__type":"SerializationException"}`)
			// Strangers are told the same, without anything having been built.
			r := cborRequest(t, url, []byte(body))
			if len(body) < 1<<10 && name != "a name twice" {
				send(t, r).wantsCBOR(t, 400, `{"__type":"SerializationException"}`)
			}
		})
	}
	send(t, cborRequest(t, url, []byte("\xa0"))).wantsCBOR(t, 400, `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`)
	send(t, cborRequest(t, url, nil)).wantsCBOR(t, 400, `{"__type":"SerializationException"}`)
}

// TestTypesInCBOR: what only CBOR can say wrongly.
func TestTypesInCBOR(t *testing.T) {
	_, url := open(t)
	for body, text := range map[string]string{
		"\xa1\x64Word\x42hi":               "class java.nio.HeapByteBuffer can not be converted to an String",
		"\xa2\x64Word\x62hi\x64When\x41a":  "class java.nio.HeapByteBuffer can not be converted to milliseconds since epoch",
		"\xa2\x64Word\x62hi\x64Flag\x00":   "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean",
		"\xa2\x64Word\x62hi\x64Blob\x01":   "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob",
		"\xa2\x64Word\x62hi\x64List\x40":   "Expected list or null",
		"\xa2\x64Word\x62hi\x64Tags\x41a":  "Expected map or null",
		"\xa2\x64Word\x62hi\x65Times\x41a": "class java.nio.HeapByteBuffer can not be converted to an Integer",
	} {
		send(t, sign(t, cborRequest(t, url, []byte(body)), owner, "us-east-1", time.Now())).
			wantsCBOR(t, 400, `{"__type":"SerializationException","Message":"`+text+`"}`)
	}
	body := cbor.Encode(cbor.Map{"Word": cbor.String("a"), "Blob": cbor.Slice("abcde")})
	send(t, sign(t, cborRequest(t, url, body), owner, "us-east-1", time.Now())).wantsCBOR(t, 400, `{"__type":"ValidationException","message":`+
		`"1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'blob' failed to satisfy constraint: Member must have length less than or equal to 4"}`)
}

// everything is a service that answers with all that a Reply can write.
func everything() awsapi.Service {
	return awsapi.Service{Target: "All_1", Signing: "parrot", Ops: map[string]awsapi.Operation{"Get": {
		Input: []awsapi.Field{{Name: "When", Type: awsapi.Timestamp}},
		Do: func(_ context.Context, c *awsapi.Call) error {
			ms, _ := c.In.Millis("When")
			out := &c.Out
			out.Open("")
			out.Text("Text", "a\x00\"ä\xff")
			out.EndQuote(append(out.Quote("Number"), strings.Repeat("7", 56)...))
			out.EndQuote(append(out.Quote("Long"), strings.Repeat("8", 700)...))
			out.Blob("Blob", []byte("bytes"))
			out.List("List")
			for _, n := range []int64{0, 23, 24, -1, -25, 1 << 40, -1 << 40} {
				out.Int("", n)
			}
			out.EndQuote(out.Quote(""))
			out.EndList()
			out.Bool("Yes", true)
			out.Bool("No", false)
			out.Time("When", time.UnixMilli(ms))
			out.Close()
			return nil
		},
	}}}
}

func TestRepliesInCBOR(t *testing.T) {
	_, url := open(t, func(c *awsapi.Config) { c.Services = append(c.Services, everything()) })
	const ms = 1_700_000_000_123
	r := cborRequest(t, url, cbor.Encode(cbor.Map{"When": &cbor.Tag{ID: 1, Value: cbor.Uint(ms)}}))
	r.Header.Set("X-Amz-Target", "All_1.Get")
	got := send(t, sign(t, r, owner, "us-east-1", time.Now()))
	value, err := cbor.Decode([]byte(got.body))
	want := cbor.Map{"Text": cbor.String("a\x00\"ä\uFFFD"), "Number": cbor.String(strings.Repeat("7", 56)), "Long": cbor.String(strings.Repeat("8", 700)),
		"Blob": cbor.Slice("bytes"), "Yes": cbor.Bool(true), "No": cbor.Bool(false), "When": &cbor.Tag{ID: 1, Value: cbor.Uint(ms)},
		"List": cbor.List{cbor.Uint(0), cbor.Uint(23), cbor.Uint(24), cbor.NegInt(1), cbor.NegInt(25), cbor.Uint(1 << 40), cbor.NegInt(1 << 40), cbor.String("")}}
	if err != nil || !reflect.DeepEqual(value, cbor.Value(want)) {
		t.Errorf("%+v, %v", value, err)
	}
}
