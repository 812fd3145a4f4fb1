package syslog_test

import (
	"bytes"
	"fmt"
	stdsyslog "log/syslog"
	"os"
	"strings"
	"testing"

	"headgate/ingest/syslog"
)

// TestLogger is logger of util-linux in all the ways it has.
func TestLogger(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args      []string
		format    syslog.Format
		transport syslog.Transport
	}{
		{[]string{"-d", "--rfc5424"}, syslog.IETF, syslog.UDP},
		{[]string{"-d", "--rfc3164"}, syslog.BSD, syslog.UDP},
		{[]string{"-T", "--rfc5424"}, syslog.IETF, syslog.TCP},
		{[]string{"-T", "--rfc3164"}, syslog.BSD, syslog.TCP},
		{[]string{"-T", "--rfc5424", "--octet-count"}, syslog.IETF, syslog.TCP},
		{[]string{"-T", "--rfc3164", "--octet-count"}, syslog.BSD, syslog.TCP},
	} {
		t.Run(strings.Join(c.args, ""), func(t *testing.T) {
			r := start(t, nil)
			address := r.tcp
			if c.transport == syslog.UDP {
				address = r.udp
			}
			args := append([]string{"-n", "127.0.0.1", "-P", port(t, address), "-p", "local3.err", "-t", "probe"}, c.args...)
			tool(t, "one\ntwo\nthree\n", "logger", args...)
			all, metas := r.records(t, 3)
			for i, want := range []string{"one", "two", "three"} {
				m := metas[i]
				if !bytes.HasSuffix(all[i].Data, []byte(want)) || !bytes.HasPrefix(all[i].Data, []byte("<155>")) {
					t.Errorf("record %q, want it to end in %q", all[i].Data, want)
				}
				if m.Facility != 19 || m.Severity != 3 || m.App != "probe" || m.Format != c.format || m.Transport != c.transport {
					t.Errorf("meta %+v", m)
				}
				if all[i].Key != host || !m.KeyIsHost || m.Hostname != "" || !m.Source.Addr().IsLoopback() || m.Source.Port() == 0 {
					t.Errorf("key %q, meta %+v, host %q", all[i].Key, m, host)
				}
			}
			r.stop()
			if s := r.Stats(); s.Taken != 3 || s.Pending != 0 || len(s.Dropped) != 0 || s.Connections != 0 || s.Bare != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestLoggerOfManyLines is a file through one connection.
func TestLoggerOfManyLines(t *testing.T) {
	for _, framing := range []string{"--rfc3164", "--octet-count"} {
		r := start(t, nil)
		var file strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&file, "line %d\n", i)
		}
		tool(t, file.String(), "logger", "-n", "127.0.0.1", "-P", port(t, r.tcp), "-T", "-t", "probe", framing)
		all, _ := r.records(t, 5000)
		inOrder(t, all, func(i int) string { return fmt.Sprintf(" line %d", i) })
	}
}

// TestGo is the client of Go's standard library.
func TestGo(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		r := start(t, nil)
		address := r.tcp
		if network == "udp" {
			address = r.udp
		}
		w, err := stdsyslog.Dial(network, address, stdsyslog.LOG_AUTH|stdsyslog.LOG_DEBUG, "gopher")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Alert("first"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("second")); err != nil {
			t.Fatal(err)
		}
		all, metas := r.records(t, 2)
		if m := metas[0]; m.Facility != 4 || m.Severity != 1 || m.App != "gopher" || m.Format != syslog.BSD || !m.KeyIsHost {
			t.Errorf("%s: meta %+v of %q", network, m, all[0].Data)
		}
		if m := metas[1]; m.Severity != 7 {
			t.Errorf("%s: meta %+v of %q", network, m, all[1].Data)
		}
		if got := string(all[1].Data); network == "tcp" && !strings.HasSuffix(got, ": second") ||
			network == "udp" && !strings.HasSuffix(got, ": second\n") { // a datagram is kept as it is
			t.Errorf("%s: record %q", network, got)
		}
		_ = w.Close() // the test is over
	}
}

// TestPython is the handler of Python's logging module: neither time nor host,
// and NUL at the end.
func TestPython(t *testing.T) {
	for _, kind := range []string{"SOCK_DGRAM", "SOCK_STREAM"} {
		r := start(t, nil)
		address := r.tcp
		if kind == "SOCK_DGRAM" {
			address = r.udp
		}
		tool(t, "", "python3", "-c", fmt.Sprintf(`
import logging, logging.handlers, socket
h = logging.handlers.SysLogHandler(("127.0.0.1", %s), socktype=socket.%s)
h.ident = "snake: "
log = logging.getLogger()
log.addHandler(h)
log.warning("first")
log.error("second")
`, port(t, address), kind))
		all, metas := r.records(t, 2)
		if m := metas[1]; m.Facility != 1 || m.Severity != 3 || m.App != "snake" || m.KeyIsHost || all[1].Key != "127.0.0.1" {
			t.Errorf("%s: meta %+v of %q by %q", kind, m, all[1].Data, all[1].Key)
		}
	}
}
