package decode_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/ingest/decode"
)

func TestCBOR(t *testing.T) {
	for _, c := range []struct{ payload, path, want string }{
		// RFC 8949, appendix A.
		{"00", "", "0"},
		{"1bffffffffffffffff", "", "18446744073709551615"},
		{"3bffffffffffffffff", "", "-1.8446744073709552e+19"},
		{"3b7fffffffffffffff", "", "-9223372036854775808"},
		{"3903e7", "", "-1000"},
		{"f90001", "", "5.9604645e-08"},
		{"f93c00", "", "1"},
		{"f9c400", "", "-4"},
		{"f97c00", "", "+Inf"},
		{"f97e00", "", "NaN"},
		{"fa47c35000", "", "100000"},
		{"fb3ff199999999999a", "", "1.1"},
		{"f4", "", "false"},
		{"f5", "", "true"},
		{"f6", "", "-"},
		{"f7", "", "-"},
		{"c11a514b67b0", "", "1363896240"},
		{"4401020304", "", "\x01\x02\x03\x04"},
		{"62c3bc", "", "ü"},
		{"8301820203820405", "1.1", "3"},
		{"9f018202039f0405ffff", "2.1", "5"},
		{"9f018202039f0405ffff", "3", "-"},
		{"a201020304", "3", "4"},
		{"a26161016162820203", "b.0", "2"},
		{"bf61610161629f0203ffff", "b.1", "3"},
		{"a56161614161626142616361436164614461656145", "d", "D"},
		{"5f42010243030405ff", "", "\x01\x02\x03\x04\x05"},
		{"7f657374726561646d696e67ff", "", "streaming"},
		{"bf7f61616162ff01ff", "ab", "1"}, // a key in pieces
		{"a1206178", "-1", "x"},
		{"d9d9f7a1616101", "a", "1"}, // self-described
		{"01", "a", "-"},
		// Malformed.
		{"", "", "!"},
		{"1c", "", "!"},
		{"62c3", "", "!"},
		{"61ff", "", "!"},
		{"f818", "", "!"},
		{"1f", "", "!"},
		{"5f01ff", "", "!"},
		{"a161", "a", "!"},
		{"a26162ff616101", "a", "!"},
		{"9bffffffffffffffff", "7", "!"},
		{"9f01", "1", "!"},
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, ".")
		}
		b, err := hex.DecodeString(c.payload)
		if err != nil {
			t.Fatal(err)
		}
		v, err := decode.CBOR(b, path)
		got := text(v)
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%q of %s: got %q, %v, want %q", c.path, c.payload, got, err, c.want)
		}
		if c.want != "!" && decode.CheckCBOR(b) != nil {
			t.Errorf("%s does not pass the check", c.payload)
		}
	}
	for _, bad := range []string{"0001", strings.Repeat("81", 100) + "00", "ff", "a1ff", "8201"} {
		b, _ := hex.DecodeString(bad)
		if decode.CheckCBOR(b) == nil {
			t.Errorf("%s passes the check", bad)
		}
	}
}

// FuzzCBOR compares with the decoder of smithy-go, which knows the part of
// CBOR that AWS uses.
func FuzzCBOR(f *testing.F) {
	for _, s := range []string{"a26161016162820203", "bf61610161629f0203ffff", "7f657374726561646d696e67ff", "c11a514b67b0", "fb3ff199999999999a", "9f018202039f0405ffff"} {
		b, _ := hex.DecodeString(s)
		f.Add(b, "b.1")
	}
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		names := strings.Split(path, ".")
		v, err := decode.CBOR(b, names)
		if decode.CheckCBOR(b) != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q of valid %x: %v", path, b, err)
		}
		theirs, err := cbor.Decode(b)
		if err != nil {
			return
		}
		whole, err := decode.CBOR(b, nil)
		if err != nil {
			t.Fatalf("valid %x: %v", b, err)
		}
		same(t, whole, theirs)
		if m, ok := theirs.(cbor.Map); ok && len(names) == 1 && m[names[0]] != nil && v.Kind == decode.Missing {
			t.Errorf("%q of %x is missing", path, b)
		}
	})
}

func same(t *testing.T, ours decode.Value, theirs cbor.Value) {
	t.Helper()
	switch theirs := theirs.(type) {
	case cbor.Uint:
		if f, ok := ours.Float(); !ok || f != float64(theirs) {
			t.Errorf("got %v, want %v", f, theirs)
		}
	case cbor.String:
		if string(ours.Text()) != string(theirs) {
			t.Errorf("got %q, want %q", ours.Text(), theirs)
		}
	case cbor.Bool:
		if ours.Truth() != bool(theirs) {
			t.Errorf("got %v, want %v", ours.Truth(), theirs)
		}
	case cbor.Float64:
		if f, ok := ours.Float(); !ok || f != float64(theirs) && f == f {
			t.Errorf("got %v, want %v", f, theirs)
		}
	}
}
