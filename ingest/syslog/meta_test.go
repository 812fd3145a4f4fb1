package syslog_test

import (
	"net/netip"
	"strings"
	"testing"

	"headgate/ingest/syslog"
	"headgate/shardlog"
)

func TestMeta(t *testing.T) {
	for _, m := range []syslog.Meta{
		{},
		{Transport: syslog.TLS, Format: syslog.IETF, Facility: 23, Severity: 7, Cut: true, KeyIsHost: true, App: "app", Peer: "camera",
			Source: netip.MustParseAddrPort("192.0.2.1:514")},
		{Transport: syslog.TCP, Format: syslog.BSD, Facility: 4, Hostname: strings.Repeat("h", 255), Source: netip.MustParseAddrPort("[2001:db8::1]:65535")},
	} {
		got, err := syslog.DecodeMeta(m.Append(nil))
		if err != nil || got != m {
			t.Errorf("%+v came back as %+v, %v", m, got, err)
		}
	}
	small := syslog.Meta{KeyIsHost: true, App: "app", Source: netip.MustParseAddrPort("192.0.2.1:514")}.Append(nil)
	if len(small) != 15 {
		t.Errorf("%d bytes: %x", len(small), small)
	}
	if _, err := syslog.DecodeMeta(append(small, 99, 2, 'x', 'y')); err != nil {
		t.Errorf("a later field: %v", err)
	}
	for _, bad := range []string{"", "\x40", "\x43\x00", "\x4c\x00", "\x00\x00", "\xc0\x00", "\x40\xc0", "\x40\x0d\x01", "\x40\x0d\x01\x02x", "\x40\x0d\x03\x01x", "\x40\x0d\x03\x05xxxxx"} {
		if _, err := syslog.DecodeMeta([]byte(bad)); err == nil || shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(syslog.Meta{App: "app", Hostname: "h", Source: netip.MustParseAddrPort("192.0.2.1:514"), Peer: "p"}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := syslog.DecodeMeta(b)
		if err != nil {
			return
		}
		again, err := syslog.DecodeMeta(m.Append(nil))
		if err != nil || again != m {
			t.Fatalf("%x: %+v, then %+v, %v", b, m, again, err)
		}
	})
}
