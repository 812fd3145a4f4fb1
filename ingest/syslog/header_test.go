package syslog_test

import (
	"bytes"
	"strings"
	"testing"

	"headgate/ingest/syslog"
)

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		message   string
		format    syslog.Format
		priority  int
		host, app string
	}{
		// RFC 5424, 6.5
		{"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed", syslog.IETF, 34, "mymachine.example.com", "su"},
		{"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", syslog.IETF, 165, "192.0.2.1", "myproc"},
		{"<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [exampleSDID@32473 iut=\"3\"]", syslog.IETF, 165, "host", "evntslog"},
		{"<0>1 - - - - - -", syslog.IETF, 0, "", ""},
		{"<13>1 2026-11-27T10:00:00.123456789+00:00 host app 1 - - nanoseconds", syslog.IETF, 13, "host", "app"},
		{"<13>1 2026-11-27T10:00:00Z fe80::1 app - - [not closed", syslog.IETF, 13, "fe80::1", "app"},
		{"<13>1 2026-11-27T10:00:00Z " + strings.Repeat("h", 256) + " app - - - x", syslog.IETF, 13, "", "app"},
		{"<13>1 2026-11-27T10:00:00Z h", syslog.IETF, 13, "h", ""},
		{"<13>1 2026-11-27T10:00:00Z h\xff app - - -", syslog.IETF, 13, "", "app"},
		// RFC 3164, 5.4
		{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", syslog.BSD, 34, "mymachine", "su"},
		{"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", syslog.BSD, 13, "10.0.0.99", ""},
		{"<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org", syslog.BSD, 0, "", ""},
		{"Use the BFG!", syslog.Bare, 13, "", ""},
		// what devices send
		{"<13>Nov 27 10:00:00 host app[12]: hello", syslog.BSD, 13, "host", "app"},
		{"<13>Nov 27 10:00:00 app[12]: no host", syslog.BSD, 13, "", "app"},
		{"<13>Nov 27 10:00:00 app: no host", syslog.BSD, 13, "", "app"},
		{"<13>Nov 27 10:00:00 fe80::1 app: hello", syslog.BSD, 13, "fe80::1", "app"},
		{"<13>Nov 27 10:00:00 app:no space", syslog.BSD, 13, "", "app"},
		{"<13>Nov 07 10:00:00.123 host app: hello", syslog.BSD, 13, "host", "app"},
		{"<13>Nov 27 2026 10:00:00 host app: hello", syslog.BSD, 13, "host", "app"},
		{"<13>Nov 27 10:00:00 2026 host app: hello", syslog.BSD, 13, "host", "app"},
		{"<13>2026-11-27T10:00:00.123456+01:00 host app[4]: rsyslog", syslog.BSD, 13, "host", "app"},
		{"<13>2026-11-27T10:00:00Z host app: hello", syslog.BSD, 13, "host", "app"},
		{"<13> Nov 27 10:00:00 host app: hello", syslog.BSD, 13, "host", "app"},
		{"<13>Nov 27 10:00:00 host /usr/sbin/cron[12]: hello", syslog.BSD, 13, "host", "/usr/sbin/cron"},
		{"<13>app[9]: no time", syslog.BSD, 13, "", "app"},
		{"<13>no tag: at all", syslog.BSD, 13, "", ""},
		{"<134>date=2026-11-27 time=10:00:00 devname=FGT", syslog.BSD, 134, "", ""},
		{"<134>Nov 27 10:00:00 devname=FGT logid=1", syslog.BSD, 134, "", ""},
		{"<189>237: 000485: *Jan  8 19:46:03.295: %SYS-5-CONFIG_I: Configured", syslog.BSD, 189, "", "%SYS-5-CONFIG_I"},
		{"<189>237: router1: Jan  8 19:46:03.295: %SYS-5-CONFIG_I: Configured", syslog.BSD, 189, "router1", "%SYS-5-CONFIG_I"},
		{"<189>: Jan  8 19:46:03: %SYS-5-CONFIG_I: Configured", syslog.BSD, 189, "", "%SYS-5-CONFIG_I"},
		// no priority
		{"", syslog.Bare, 13, "", ""},
		{"<", syslog.Bare, 13, "", ""},
		{"<>x", syslog.Bare, 13, "", ""},
		{"<192>Nov 27 10:00:00 host app: x", syslog.Bare, 13, "", ""},
		{"<00>Nov 27 10:00:00 host app: x", syslog.Bare, 13, "", ""},
		{"<1000>x", syslog.Bare, 13, "", ""},
		{"<13", syslog.Bare, 13, "", ""},
		{"<191>", syslog.BSD, 191, "", ""},
	} {
		h := syslog.ParseHeader([]byte(c.message))
		if h.Format != c.format || int(h.Facility)*8+int(h.Severity) != c.priority || string(h.Hostname) != c.host || string(h.App) != c.app {
			t.Errorf("%q: format %d, %d.%d, host %q, app %q", c.message, h.Format, h.Facility, h.Severity, h.Hostname, h.App)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"<34>1 2003-10-11T22:14:15.003Z h su - - -", "<34>Oct 11 22:14:15 h su[1]: x", "<189>1: 2: *Jan  8 19:46:03.2: %S: x",
		"<13>2026-11-27T10:00:00.1+01:00 2026 h a:", "<13>r: Jan 1 00:00:00: a:"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h := syslog.ParseHeader(b)
		if !bytes.Equal(b, before) || h.Facility > 23 || h.Severity > 7 {
			t.Fatalf("%q: %+v", b, h)
		}
		for _, name := range [][]byte{h.Hostname, h.App} {
			if name != nil && (len(name) == 0 || len(name) > 255 || !bytes.Contains(b, name) || bytes.ContainsAny(name, " \n\x00")) {
				t.Fatalf("%q: name %q", b, name)
			}
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	for name, message := range map[string]string{
		"3164": "<13>Nov 27 10:00:00 host app[12]: hello",
		"5424": "<165>1 2003-10-11T22:14:15.003Z host app - ID47 [a@1 b=\"3\"] " + strings.Repeat("x", 60000),
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(message)
			b.ReportAllocs()
			for b.Loop() {
				syslog.ParseHeader(data)
			}
		})
	}
}
