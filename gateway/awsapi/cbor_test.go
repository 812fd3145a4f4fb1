package awsapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

func fromHex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReadCBOR reads values of RFC 8949's appendix A and what the Java SDKs
// write, and refuses what is none.
func TestReadCBOR(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      any // nil: refused
	}{
		{"numbers", "a1 6161 86 00 17 1818 1903e8 20 3903e7", []any{0.0, 23.0, 24.0, 1000.0, -1.0, -1000.0}},
		{"floats", "a1 6161 84 f93e00 fa47c35000 fb3ff199999999999a f9c400", []any{1.5, 100000.0, 1.1, -4.0}},
		{"simple", "a1 6161 84 f4 f5 f6 f7", []any{false, true, nil, nil}},
		{"open map and list", "bf 6161 9f 01 ff ff", []any{1.0}},
		{"chunks", "a1 6161 82 7f 6178 6179 ff 5f 4101 420203 ff", []any{"xy", []byte{1, 2, 3}}},
		{"a moment", "a1 6161 c1 1b0000018bcfe56800", millis(1700000000000)},
		{"a moment as float", "a1 6161 c1 fb4278bcfe56800000", millis(1700000000000)},
		{"another tag", "a1 6161 c2 4101", []byte{1}},
		{"a map inside", "a1 6161 a1 6162 4101", map[string]any{"b": []byte{1}}},
		{"nothing", "", nil},
		{"a list", "80", nil},
		{"two maps", "a0 a0", nil},
		{"a key that is no text", "a1 01 02", nil},
		{"a text that is no UTF-8", "a1 6161 61ff", nil},
		{"cut off", "a1 6161", nil},
		{"no break", "bf 6161 01", nil},
		{"a break alone", "a1 6161 ff", nil},
		{"a string longer than the body", "a1 6161 5b7fffffffffffffff 00", nil},
		{"a list longer than the body", "a1 6161 9b7fffffffffffffff 00", nil},
		{"reserved", "a1 6161 1c", nil},
		{"an open number", "a1 6161 1f", nil},
		{"too deep", strings.Repeat("a16161", 40) + "00", nil},
	} {
		body := fromHex(t, c.hex)
		got, ok := decodeCBOR(body)
		if ok != (c.want != nil) || ok && !reflect.DeepEqual(got["a"], c.want) {
			t.Errorf("%s: %#v %v", c.name, got, ok)
		}
		if isCBORMap(body) != ok {
			t.Errorf("%s: a look says %v", c.name, !ok)
		}
	}
	many := append([]byte{0xa1, 0x61, 'a', 0x9f}, make([]byte, maxValues+1)...)
	if _, ok := decodeCBOR(append(many, cborBreak)); ok {
		t.Error("took too many values")
	}
}

// TestWriteCBOR writes one answer in both forms.
func TestWriteCBOR(t *testing.T) {
	write := func(r *Reply) []byte {
		r.Open("")
		r.Text("Text", "héllo \"x\"")
		r.EndQuote(append(r.Quote("Number"), "4959"...))
		r.Blob("Blob", []byte("hello"))
		r.List("Ints")
		for _, n := range []int64{0, 23, 24, 255, 256, 1 << 16, 1 << 33, -1, -300} {
			r.Int("", n)
		}
		r.EndList()
		r.Bool("Yes", true)
		r.Bool("No", false)
		r.Time("At", time.UnixMilli(1700000000123))
		r.Open("Inner")
		r.List("Empty")
		r.EndList()
		r.Close()
		r.Close()
		return r.buf
	}
	var want map[string]any
	if err := json.Unmarshal(write(&Reply{}), &want); err != nil {
		t.Fatal(err)
	}
	want["Blob"], want["At"] = []byte("hello"), millis(1700000000123)
	got, ok := decodeCBOR(write(&Reply{cbor: true}))
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%v", got, want)
	}
}

// TestErrorsInCBOR are maps like those in JSON.
func TestErrorsInCBOR(t *testing.T) {
	door, err := New(Config{Services: []Service{{Target: "Parrot_20200101", Signing: "parrot", Ops: map[string]Operation{"Say": {}}}}, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ body, target, code string }{
		{"a0", "Parrot_20200101.Sing", "UnknownOperationException"},
		{"a1", "Parrot_20200101.Say", "SerializationException"},
	} {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(fromHex(t, c.body)))
		r.Header.Set("Content-Type", typeCBOR)
		r.Header.Set("X-Amz-Target", c.target)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		got, ok := decodeCBOR(w.Body.Bytes())
		if !ok || got["__type"] != c.code || w.Code != 400 || w.Header().Get("Content-Type") != typeCBOR {
			t.Errorf("%s: %d %v %s", c.code, w.Code, got, w.Header())
		}
	}
}

// FuzzReadCBOR: nothing panics, a look and a reading agree, and what was read
// and is checked against fields stays in bounds.
func FuzzReadCBOR(f *testing.F) {
	for _, text := range []string{"a0", "bf6161019fffff", "a1615f7f6178ff", "a16161c11b0000018bcfe56800", "a16161f97e00", "a161615bffffffffffffffff"} {
		b, err := hex.DecodeString(text)
		if err == nil {
			f.Add(b)
		}
	}
	fields := []Field{{Name: "a", Type: Blob}, {Name: "b", Type: Timestamp}, {Name: "c", Type: Integer}, {Name: "d", Type: List, Of: &Field{Type: String}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		data, ok := decodeCBOR(body)
		if isCBORMap(body) != ok {
			t.Errorf("a look says %v", !ok)
		}
		in, err := check(data, ok, fields)
		if err == nil && in.Has("b") {
			in.Millis("b")
		}
	})
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{0x0001: 5.960464477539063e-8, 0x0400: 0.00006103515625, 0x7bff: 65504, 0xfc00: math.Inf(-1)} {
		if got := half(bits); got != want {
			t.Errorf("%04x: %v, want %v", bits, got, want)
		}
	}
}
