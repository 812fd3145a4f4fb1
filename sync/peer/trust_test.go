package peer_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/peer"
)

const day = 24 * time.Hour

func TestStrangersAreRefused(t *testing.T) {
	town, all := three(t)
	stranger := newTown(t).found("g7")
	c := town.prepare(stranger)
	h := town.run(c)
	_, err := h.Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
	if shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(fmt.Sprint(err), "not of this site") {
		t.Errorf("a stranger trusts us: %v", err)
	}
	// One that believes everybody still is not believed.
	c = town.prepare(stranger)
	c.Verify = func([][]byte) (string, error) { return "g1", nil }
	h = town.run(c)
	_, err = h.Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
	if shardlog.KindOf(err) != shardlog.Denied || !strings.Contains(fmt.Sprint(err), "not of this site") {
		t.Errorf("a stranger was let in: %v", err)
	}
	if all[1].Stats().Refused == 0 {
		t.Error("not counted")
	}
}

func TestCertificatesThatEnded(t *testing.T) {
	town, all := three(t)
	late := town.run(town.prepare(town.admit(all[0].site, "late", 365*day+170*day)))
	if _, err := late.Call(within(t, 10*time.Second), "g1", "GET", "/", nil); err != nil {
		t.Errorf("half a year offline: %v", err)
	}
	dead := town.run(town.prepare(town.admit(all[0].site, "dead", 365*day+190*day)))
	_, err := dead.Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
	if shardlog.KindOf(err) != shardlog.Denied || !strings.Contains(fmt.Sprint(err), "ended on") {
		t.Errorf("much too old: %v", err)
	}
	early := town.run(town.prepare(town.admit(all[0].site, "early", -400*day)))
	if _, err := early.Call(within(t, 10*time.Second), "g1", "GET", "/", nil); err != nil {
		t.Errorf("a certificate of next year: %v", err)
	}
}

func TestRemovedGateway(t *testing.T) {
	town, all := three(t)
	all[0].RaftListener()
	town.remove("g2")
	// The one that was removed may not have heard of it.
	c := town.prepare(all[2].site)
	c.Removed = nil
	old := town.run(c)
	_, err := old.Call(within(t, 10*time.Second), "g1", "GET", "/", nil)
	if shardlog.KindOf(err) != shardlog.Denied || !strings.Contains(fmt.Sprint(err), "removed") {
		t.Errorf("it may call: %v", err)
	}
	if _, err := old.DialRaft(within(t, 10*time.Second), all[0].address); shardlog.KindOf(err) != shardlog.Denied {
		t.Errorf("it may vote: %v", err)
	}
	if _, err := all[0].Call(within(t, 10*time.Second), "g2", "GET", "/", nil); shardlog.KindOf(err) != shardlog.Denied {
		t.Errorf("it is called: %v", err)
	}
	if _, err := all[0].DialRaft(within(t, 10*time.Second), all[2].address); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("it is asked to vote: %v", err)
	}
	eventually(t, func() bool { return all[2].reaches(0) })
}

func TestUnknownProtocolsAndBareHands(t *testing.T) {
	town, all := three(t)
	certificate := *all[0].site.Certificate(time.Time{})
	for name, c := range map[string]*tls.Config{
		"no protocol":      {Certificates: []tls.Certificate{certificate}},
		"unknown protocol": {Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}},
		"no certificate":   {NextProtos: []string{"headgate-h2/1"}},
		"old TLS":          {NextProtos: []string{"headgate-h2/1"}, MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	} {
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", all[1].address, c)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil {
			t.Errorf("%s: was welcomed", name)
		}
	}
	_ = town
}

func TestSlowHandshakesHoldNobodyUp(t *testing.T) {
	_, all := three(t, func(c *peer.Config) { c.Patience = 300 * time.Millisecond })
	began := time.Now()
	var slow []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", all[1].address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte{22, 3, 1}) // the first bytes of a hello that never ends
		slow = append(slow, c)
	}
	if _, err := all[0].Call(within(t, 10*time.Second), "g1", "GET", "/", nil); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(began.Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("got an answer")
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatal("still open after 10 s")
		}
		c.Close()
	}
}

func TestVersions(t *testing.T) {
	town := newTown(t)
	founder := town.found("old")
	speak := func(low, high uint32) func(*peer.Config) {
		return func(c *peer.Config) { c.Protocol = peer.Range{Min: low, Max: high} }
	}
	old := town.build(founder, speak(1, 2))
	next := town.build(town.admit(founder, "next"), speak(2, 3))
	far := town.build(town.admit(founder, "far"), speak(3, 4), func(c *peer.Config) {
		c.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was called") })
	})
	for _, h := range []*house{old, next, far} {
		eventually(t, func() bool { return h.reaches(2) })
	}
	if _, err := old.Call(within(t, 10*time.Second), "next", "GET", "/", nil); err != nil {
		t.Errorf("one release apart: %v", err)
	}
	p := old.peer("far")
	const want = "it speaks protocols 3-4 and this gateway 1-2: update gateway old, one release at a time"
	if p.Hello.Version != "test" || p.Err == nil || !strings.Contains(p.Err.Error(), want) {
		t.Errorf("shown as %+v", p)
	}
	if _, err := old.Call(within(t, 10*time.Second), "far", "GET", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(err.Error(), want) {
		t.Errorf("two releases apart: %v", err)
	}
	// Nor does the other side answer one who calls before it has asked.
	c := town.prepare(town.admit(founder, "hasty"))
	c.Interval = time.Hour
	c.Members = func() []peer.Member { return []peer.Member{{ID: "far", Address: far.address}} }
	c.Protocol = peer.Range{Min: 1, Max: 1}
	links, err := peer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Listener.Close()
	if _, err := links.Call(within(t, 10*time.Second), "far", "GET", "/", nil); shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(err.Error(), "update gateway hasty") {
		t.Errorf("called unasked: %v", err)
	}
	if m, ok := (peer.Range{Min: 1, Max: 2}).Common(peer.Range{Min: 2, Max: 3}); !ok || m != 2 {
		t.Errorf("common protocol %d, %v", m, ok)
	}
}
