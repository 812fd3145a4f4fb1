package web

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The pure parts are tested from inside: lines, origins, what a meter keeps.

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\r\n\n \nb"), 3)
	f.Fuzz(func(t *testing.T, b []byte, most int) {
		most = most&0xff + 1
		got, err := split(bytes.Clone(b), most)
		var want []string
		for line := range strings.SplitSeq(string(b), "\n") {
			if line = strings.TrimSuffix(line, "\r"); strings.Trim(line, " \t") != "" {
				want = append(want, line)
			}
		}
		if (err != nil) != (len(want) > most) {
			t.Fatalf("%d lines of %d: %v", len(want), most, err)
		}
		if err == nil && string(bytes.Join(got, []byte("\n"))) != strings.Join(want, "\n") {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://*.shop.example", "https://a.shop.example")
	f.Add("http://[::1]:80", "http://[::1]")
	f.Fuzz(func(t *testing.T, listed, sent string) {
		o, err := parseOrigin(listed)
		if err != nil {
			return
		}
		if o.allows(sent) && listed != each && !strings.Contains(listed, "*") && !strings.HasPrefix(strings.ToLower(listed), sent) {
			t.Errorf("%q allows %q", listed, sent)
		}
		if o.allows("https://evil.test") && listed != each && !strings.Contains(strings.ToLower(listed), "evil.test") && !strings.HasSuffix(strings.ToLower(listed), ".test") {
			t.Errorf("%q allows a stranger", listed)
		}
	})
}

func FuzzCut(f *testing.F) {
	f.Add("ä\xff", 1)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most &= 0xff
		if got := cut(text, most); !utf8.ValidString(got) || len(got) > 3*most {
			t.Errorf("%q", got)
		}
	})
}

func TestAMeterForgets(t *testing.T) {
	m := newMeter(Rate{-1, -1}, Rate{1, -1})
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 5 * maxMetered {
		if err := m.take(now, address(i), 1, 1); err != nil {
			t.Fatal(err)
		}
		if n := len(m.recent) + len(m.before); n > 2*maxMetered {
			t.Fatalf("%d addresses are remembered", n)
		}
	}
	if err := m.take(now, address(5*maxMetered-maxMetered/2), 1, 1); err == nil {
		t.Error("one of the last is forgotten")
	}
	if err := m.take(now, address(0), 1, 1); err != nil {
		t.Errorf("one of the first is remembered: %v", err)
	}
}
