package shardlog_test

import (
	"crypto/md5"
	"math/big"
	"strings"
	"testing"

	"headgate/shardlog"
)

func TestHashKeyIsMD5(t *testing.T) {
	for _, key := range []string{"", "a", "sensor-00042", "ключ", strings.Repeat("k", 256)} {
		sum := md5.Sum([]byte(key))
		if got, want := shardlog.HashKey(key).String(), new(big.Int).SetBytes(sum[:]).String(); got != want {
			t.Errorf("HashKey(%q) = %s, want %s", key, got, want)
		}
	}
}

func TestParseHash(t *testing.T) {
	const most = "340282366920938463463374607431768211455"
	tests := []struct {
		text string
		want shardlog.Hash
	}{
		{"0", shardlog.Hash{}},
		{"1", shardlog.Hash{Lo: 1}},
		{"18446744073709551615", shardlog.Hash{Lo: ^uint64(0)}},
		{"18446744073709551616", shardlog.Hash{Hi: 1}},
		{"170141183460469231731687303715884105728", shardlog.Hash{Hi: 1 << 63}},
		{most, shardlog.MaxHash()},
	}
	for _, test := range tests {
		if h, err := shardlog.ParseHash(test.text); err != nil || h != test.want {
			t.Errorf("ParseHash(%s) = %+v, %v", test.text, h, err)
		}
		if test.want.String() != test.text {
			t.Errorf("%+v is written as %s, want %s", test.want, test.want, test.text)
		}
	}
	for _, text := range []string{"", "00", "01", "-1", "+1", " 1", "1 ", "1e3", "0x1", "a", "١", "340282366920938463463374607431768211456",
		"999999999999999999999999999999999999999", "1000000000000000000000000000000000000000", strings.Repeat("9", 5000)} {
		if h, err := shardlog.ParseHash(text); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("ParseHash(%.50q) = %+v, %v, want Invalid", text, h, err)
		}
	}
}

func TestHashOrder(t *testing.T) {
	ordered := []shardlog.Hash{{}, {Lo: 1}, {Lo: ^uint64(0)}, {Hi: 1}, {Hi: 1, Lo: 1}, {Hi: ^uint64(0)}, shardlog.MaxHash()}
	for i, a := range ordered {
		for j, b := range ordered {
			if a.Less(b) != (i < j) {
				t.Errorf("%v before %v: %v", a, b, a.Less(b))
			}
		}
	}
	for h, want := range map[shardlog.Hash]shardlog.Hash{
		{}: {Lo: 1}, {Lo: ^uint64(0)}: {Hi: 1}, {Hi: 1, Lo: ^uint64(0)}: {Hi: 2}, shardlog.MaxHash(): {},
	} {
		if h.Next() != want {
			t.Errorf("after %v comes %v, want %v", h, h.Next(), want)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("0")
	f.Add("340282366920938463463374607431768211455")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := shardlog.ParseHash(text); err == nil && h.String() != text {
			t.Errorf("%s is written as %s", text, h)
		}
	})
}
