package syslog_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"headgate/ingest/syslog"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

func TestConnections(t *testing.T) {
	r := start(t, func(_ *rig, cfg *syslog.Config) { cfg.MaxConnections, cfg.MaxPerSource = 3, 2 })
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.Dial("tcp", r.tcp)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first := from("127.0.0.1")
	from("127.0.0.1")
	eventually(t, "two", func() bool { return r.Stats().Connections == 2 })
	closed(t, from("127.0.0.1"))
	from("127.0.0.2")
	eventually(t, "three", func() bool { return r.Stats().Connections == 3 })
	closed(t, from("127.0.0.3"))
	if s := r.Stats(); s.TurnedAway["source"] != 1 || s.TurnedAway["connections"] != 1 || s.Accepted != 5 {
		t.Errorf("stats %+v", s)
	}
	_ = first.Close() // makes room
	eventually(t, "a place is free", func() bool { return r.Stats().Connections == 2 })
	send(t, from("127.0.0.1"), "<13>x\n")
	r.records(t, 1)
}

// TestTooLong: what is longer than MaxMessage is cut there, and says so.
func TestTooLong(t *testing.T) {
	r := start(t, func(_ *rig, cfg *syslog.Config) { cfg.MaxMessage = 100 })
	long := "<13>1 - h a - - - " + strings.Repeat("x", 5000)
	send(t, dial(t, "tcp", r.tcp), long+"\n")
	r.records(t, 1)
	send(t, dial(t, "tcp", r.tcp), "5018 "+long+"7 <13>end")
	r.records(t, 3)
	send(t, dial(t, "udp", r.udp), long)
	all, metas := r.records(t, 4)
	for i, rec := range all {
		if string(rec.Data) != "<13>end" && (string(rec.Data) != long[:100] || !metas[i].Cut) {
			t.Errorf("%d bytes, %+v", len(rec.Data), metas[i])
		}
	}
	if s := r.Stats(); s.Cut != 3 {
		t.Errorf("stats %+v", s)
	}
}

// TestHalf: who begins a message and does not end it is hung up on; what came
// is kept. Silence between messages is no fault.
func TestHalf(t *testing.T) {
	r := start(t, func(_ *rig, cfg *syslog.Config) { cfg.FrameTimeout = 100 * time.Millisecond })
	quiet := dial(t, "tcp", r.tcp)
	send(t, quiet, "<13>whole\n")
	half := dial(t, "tcp", r.tcp)
	send(t, half, "<13>half")
	closed(t, half)
	send(t, quiet, "<13>again\n")
	_, metas := r.records(t, 3)
	cut := 0
	for _, m := range metas {
		if m.Cut {
			cut++
		}
	}
	if s := r.Stats(); cut != 1 || s.Timeouts != 1 || s.Connections != 1 {
		t.Errorf("%d cut, stats %+v", cut, s)
	}
}

// TestMalformed: without a length nobody knows where the next message is.
func TestMalformed(t *testing.T) {
	r := start(t, nil)
	c := dial(t, "tcp", r.tcp)
	send(t, c, "7 <13>one7 <13>twothree")
	closed(t, c)
	r.records(t, 2)
	if s := r.Stats(); s.Malformed != 1 {
		t.Errorf("stats %+v", s)
	}
	if out := r.out.String(); !strings.Contains(out, "no length") || strings.Contains(out, "three") {
		t.Errorf("log: %s", out)
	}
}

// TestRate: over TCP the fast wait, over UDP they lose messages.
func TestRate(t *testing.T) {
	r := start(t, func(_ *rig, cfg *syslog.Config) { cfg.RatePerSource = 50 })
	send(t, dial(t, "tcp", r.tcp), strings.Repeat("<13>x\n", 60))
	r.records(t, 60)
	u := dial(t, "udp", r.udp)
	for range 100 {
		send(t, u, "<13>y")
	}
	eventually(t, "all are seen", func() bool {
		s := r.Stats()
		return s.Dropped["rate"]+s.Received["udp"] == 100
	})
	if s := r.Stats(); s.RateWaits == 0 || s.Dropped["rate"] == 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestQueue: over UDP nobody waits; what does not fit is dropped and counted.
func TestQueue(t *testing.T) {
	var hold *shardlogtest.Hold
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.UDPQueue = 10
		hold = r.log.Hold()
	})
	u := dial(t, "udp", r.udp)
	for range 25 {
		send(t, u, "<13>x")
	}
	send(t, u, "")
	eventually(t, "all are seen", func() bool { return r.Stats().Dropped["empty"] == 1 })
	if s := r.Stats(); s.Dropped["queue"] != 15 || s.Pending != 10 || s.Received["udp"] != 25 {
		t.Errorf("stats %+v", s)
	}
	hold.Release()
	r.records(t, 10)
}

// TestFull: a full log drops datagrams; connections wait for it.
func TestFull(t *testing.T) {
	r := start(t, func(r *rig, _ *syslog.Config) {
		r.log.Fail = func(op string) error {
			if op == "put" && len(r.log.Streams()) > 0 && r.Stats().Dropped["full"] < 3 {
				return shardlog.Errorf(shardlog.Full, "put", "on purpose")
			}
			return nil
		}
	})
	send(t, dial(t, "tcp", r.tcp), "<13>kept\n")
	u := dial(t, "udp", r.udp)
	for range 3 {
		send(t, u, "<13>lost")
	}
	all, _ := r.records(t, 1)
	if string(all[0].Data) != "<13>kept" {
		t.Errorf("record %q", all[0].Data)
	}
}

// TestKeys: which messages keep their order is configurable.
func TestKeys(t *testing.T) {
	for key, want := range map[syslog.Key][3]string{
		syslog.ByHostname: {"h", "127.0.0.1", "127.0.0.1"},
		syslog.ByApp:      {"h/a", "127.0.0.1/a", "127.0.0.1"},
		syslog.BySource:   {"127.0.0.1", "127.0.0.1", "127.0.0.1"},
	} {
		r := start(t, func(_ *rig, cfg *syslog.Config) { cfg.Key = key; cfg.Shards = 1 })
		send(t, dial(t, "tcp", r.tcp), "<13>1 - h a - - - x\n<13>1 - - a - - - x\nx\n")
		all, metas := r.records(t, 3)
		for i, rec := range all {
			host := ""
			if i == 0 && key != syslog.ByHostname {
				host = "h"
			}
			if rec.Key != want[i] || metas[i].Hostname != host || metas[i].KeyIsHost != (i == 0 && key == syslog.ByHostname) {
				t.Errorf("%s: key %q, want %q; %+v", key, rec.Key, want[i], metas[i])
			}
		}
	}
}

func TestSettings(t *testing.T) {
	log := shardlogtest.NewMemory()
	good := syslog.Config{Writer: log, Control: log}
	for name, change := range map[string]func(*syslog.Config){
		"writer": func(c *syslog.Config) { c.Writer = nil }, "control": func(c *syslog.Config) { c.Control = nil },
		"tls": func(c *syslog.Config) { c.TLS = []string{"127.0.0.1:0"} }, "stream": func(c *syslog.Config) { c.Stream = "no spaces" },
		"own": func(c *syslog.Config) { c.Stream = "_gaps" }, "key": func(c *syslog.Config) { c.Key = "x" },
		"shards": func(c *syslog.Config) { c.Shards = -1 }, "limit": func(c *syslog.Config) { c.Window = -1 },
		"timeout": func(c *syslog.Config) { c.FrameTimeout = -1 }, "message": func(c *syslog.Config) { c.MaxMessage = 1 << 20 },
	} {
		c := good
		change(&c)
		if _, err := syslog.New(c); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.Validate(); err != nil || good.UDP[0] != "127.0.0.1:5514" || good.TCP[0] != "127.0.0.1:5514" ||
		len(good.Sources) != 2 || good.Sources[0] != netip.MustParsePrefix("127.0.0.0/8") {
		t.Errorf("%+v, %v", good, err)
	}
	taken := start(t, nil)
	c := syslog.Config{Writer: log, Control: log, UDP: []string{"127.0.0.1:0"}, TCP: []string{taken.tcp}}
	s, err := syslog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || len(s.Addrs()) != 0 {
		t.Errorf("a taken address: %v", err)
	}
}
