package awsapi

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

// TestCBORExamples reads values of RFC 8949's appendix A.
func TestCBORExamples(t *testing.T) {
	for body, want := range map[string]any{
		"\x86\x00\x17\x18\x18\x19\x03\xe8\x20\x39\x03\xe7": []any{cborNumber(0), cborNumber(23), cborNumber(24), cborNumber(1000), cborNumber(-1), cborNumber(-1000)},
		"\xf9\x3e\x00":                         cborNumber(1.5),
		"\xf9\x00\x01":                         cborNumber(5.960464477539063e-8),
		"\xf9\x04\x00":                         cborNumber(0.00006103515625),
		"\xf9\x7b\xff":                         cborNumber(65504),
		"\xf9\xc4\x00":                         cborNumber(-4),
		"\xfa\x47\xc3\x50\x00":                 cborNumber(100000),
		"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a": cborNumber(1.1),
		"\x84\xf4\xf5\xf6\xf7":                 []any{false, true, nil, nil},
		"\x5f\x42\x01\x02\x43\x03\x04\x05\xff": []byte{1, 2, 3, 4, 5},
		"\x7f\x65strea\x64ming\xff":            "streaming",
		"\xc2\x41\x01":                         []byte{1},
		"\x9f\x01\x82\x02\x03\x9f\x04\xff\xff": []any{cborNumber(1), []any{cborNumber(2), cborNumber(3)}, []any{cborNumber(4)}},
		"\xf9\x7c\x00":                         nil,
		"\xf9\x7e\x00":                         nil,
		"\xf8\xff":                             nil,
	} {
		got, ok := decodeCBOR(NewCBOR(append([]byte("\xa1\x61a"), body...)))
		if ok != (want != nil) || ok && !reflect.DeepEqual(got["a"], want) {
			t.Errorf("%x: %#v, %v", body, got["a"], ok)
		}
	}
}

// FuzzCBOR: what we read as a map Amazon's decoder reads as the same, and the
// look at a body agrees with its reading.
func FuzzCBOR(f *testing.F) {
	for _, seed := range []string{
		"\xa1\x64Word\x62hi", "\xbf\x7f\x62Wo\x62rd\xff\x5f\x41a\x40\xff\xff", "\xbb\x00\x00\x00\x00\x00\x00\x00\x01\x61a\x9f\x01\xff",
		"\xa3\x61a\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x61b\x20\x61c\xfb\x42\x78\xbc\xfe\x56\x87\xb0\x00",
		"\xa4\x61a\xf4\x61b\xf6\x61c\xf9\x3c\x00\x61d\xfa\x47\xc3\x50\x00", strings.Repeat("\xa1\x61a", 40), "\xa1\x64Word\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		data, ok := decodeCBOR(NewCBOR(body))
		if !ok {
			return
		}
		if !isCBORMap(body) {
			t.Fatalf("%x is read, but does not look like a map", body)
		}
		theirs, err := cbor.Decode(body)
		if err != nil {
			return // it is stricter in places, and reads no half floats of some kinds
		}
		if !same(data, theirs) {
			t.Fatalf("%x\nours   %#v\ntheirs %#v", body, data, theirs)
		}
	})
}

// same compares what both made of a body.
func same(ours any, theirs cbor.Value) bool {
	switch v := theirs.(type) {
	case *cbor.Tag:
		return same(ours, v.Value)
	case cbor.Map:
		m, ok := ours.(map[string]any)
		for name := range v {
			ok = ok && same(m[name], v[name])
		}
		return ok && len(m) == len(v)
	case cbor.List:
		l, ok := ours.([]any)
		ok = ok && len(l) == len(v)
		for i := 0; ok && i < len(v); i++ {
			ok = same(l[i], v[i])
		}
		return ok
	case cbor.Uint:
		return ours == cborNumber(v)
	case cbor.NegInt:
		return ours == cborNumber(-float64(v)) || v == 0
	case cbor.Float32:
		return ours == cborNumber(v)
	case cbor.Float64:
		return ours == cborNumber(v)
	case cbor.String:
		return ours == string(v)
	case cbor.Slice:
		return reflect.DeepEqual(ours, []byte(v))
	case cbor.Bool:
		return ours == bool(v)
	}
	return ours == nil
}

// FuzzRead: whatever comes as JSON or as CBOR is taken or refused, and what is
// taken keeps its types and constraints.
func FuzzRead(f *testing.F) {
	element := Field{Type: Structure, Fields: []Field{{Name: "D", Type: Blob, Rules: []Rule{NotNull(), Longest(3)}}}}
	fields := []Field{
		{Name: "S", Type: String, Rules: []Rule{NotNull(), Pattern("[a-z]+"), Longest(5)}}, {Name: "N", Type: Integer, Rules: []Rule{Least(1), Most(9)}},
		{Name: "B", Type: Boolean}, {Name: "T", Type: Timestamp}, {Name: "L", Type: List, Of: &element, Rules: []Rule{Longest(2)}},
		{Name: "M", Type: Map, Of: &Field{Type: String}}, {Name: "I", Type: Structure, Fields: []Field{{Name: "S", Type: String, Rules: []Rule{OneOf("X", "Y")}}}},
	}
	f.Add([]byte(`{"S":"abc","N":5,"B":true,"T":1700000000.123,"L":[{"D":"YQ=="},null],"M":{"k":"v"},"I":{"S":"X"}}`))
	f.Add([]byte(`{"S":"äöü","N":1e400,"L":[[]],"M":[],"I":5}`))
	f.Add([]byte("\xbf\x61S\x63abc\x61N\x05\x61B\xf5\x61T\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x61L\x81\xa1\x61D\x41a\x61M\xa1\x61k\x61v\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := Read(body, fields)
		if err == nil && !isObject(body) {
			t.Fatalf("%q is read, but does not look like an object", body)
		}
		for range 2 {
			if (in == nil) == (err == nil) {
				t.Fatalf("%v and %v", in, err)
			}
			if err == nil && (len(in.Text("S")) > 5 || in.Text("S") == "" || in.Int("N", 1) > 9 || len(in.List("L")) > 2) {
				t.Fatalf("%v breaks its constraints", in)
			}
			in, err = ReadCBOR(body, fields)
		}
	})
}
