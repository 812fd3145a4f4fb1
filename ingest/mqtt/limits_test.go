package mqtt_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

func TestADevicesRate(t *testing.T) {
	// Over its rate a device waits, and nothing is refused; another does not.
	r := start(t, func(_ *rig, c *mqtt.Config) { c.MessageRate = 20 })
	loud, _ := r.login(t, 5, "loud", nil)
	begin := time.Now()
	for i := range 40 {
		loud.send(publish(uint16(i+1), 1, "a", fmt.Sprint("m", i)))
	}
	polite, _ := r.login(t, 5, "polite", nil)
	polite.send(publish(1, 1, "a", "x"))
	polite.want(packets.Puback, 1, 0)
	between := time.Since(begin)
	for i := range 40 {
		loud.want(packets.Puback, uint16(i+1), 0)
	}
	if took := time.Since(begin); took < 800*time.Millisecond || took < between {
		t.Errorf("40 messages at 20 a second, with a burst of 20, took %v, another device's %v", took, between)
	}
	if s := r.Stats(); s.RateWaits == 0 || len(s.Refused) > 0 {
		t.Errorf("%d waits, refused %v", s.RateWaits, s.Refused)
	}
	rank := r.Devices(mqtt.Loudest, 1)
	if len(rank) != 1 || rank[0].Client != "loud" || rank[0].Messages != 40 || rank[0].Last.IsZero() {
		t.Errorf("loudest: %+v", rank)
	}
	quiet, _ := r.login(t, 5, "quiet", nil)
	quiet.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	if rank := r.Devices(mqtt.Busiest, 9); len(rank) != 3 || rank[2].Client != "quiet" || !rank[2].Last.IsZero() {
		t.Errorf("busiest: %+v", rank)
	}
}

func TestConnectionsFromOneAddress(t *testing.T) {
	at := outside(t)
	r := start(t, func(_ *rig, c *mqtt.Config) {
		c.Listen, c.MaxPerAddress = []string{net.JoinHostPort(at, "0")}, 3
		c.Authenticate = func(mqtt.Login) bool { return true }
	})
	var all []*raw
	for i := range 3 {
		c, _ := r.login(t, 4, fmt.Sprint("dev", i), nil)
		all = append(all, c)
	}
	r.dial(t, 4).wantEnd()
	all[0].Close()
	eventually(t, "a place is free", func() bool { return r.Stats().Connections == 2 })
	r.login(t, 4, "late", nil)
}

// outside is an address of this machine that is not loopback's: traffic to it
// stays on the machine.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no other address")
	return ""
}

func TestTwoDevicesWithOneID(t *testing.T) {
	// They take over from each other without end; each has to wait longer.
	r := start(t, nil)
	begin := time.Now()
	var last *raw
	for range 6 {
		last, _ = r.login(t, 5, "dev", nil)
	}
	if took := time.Since(begin); took < 3*time.Second {
		t.Errorf("six logins took %v: the last two wait one and two seconds", took)
	}
	if n := r.Stats().TakeoverPauses; n != 2 {
		t.Errorf("%d pauses", n)
	}
	if !strings.Contains(r.out.String(), "two devices use one client id") {
		t.Error("the log says nothing")
	}
	last.send(publish(1, 1, "a", "x"))
	last.want(packets.Puback, 1, 0)
}

func TestWrongPasswordsAreSlow(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.Authenticate = func(l mqtt.Login) bool { return l.Username == "bob" } })
	begin := time.Now()
	c := r.dial(t, 5)
	if ack := c.connect("dev", nil); ack.ReasonCode != 0x86 || time.Since(begin) < 400*time.Millisecond {
		t.Errorf("connack %#x after %v", ack.ReasonCode, time.Since(begin))
	}
}

func TestWills(t *testing.T) {
	will := func(delay uint32) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			lasting(pk)
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillQos = true, "last/words", 1
			pk.Connect.WillProperties = packets.Properties{WillDelayInterval: delay, ContentType: "text/plain", User: []packets.UserProperty{{Key: "k", Val: "v"}}}
		}
	}
	r := start(t, nil)
	heir, _ := r.login(t, 5, "heir", nil)
	heir.send(subscribe(1, 0, "last/words"))
	granted(t, heir, 1, 0)
	words := func(want bool) {
		t.Helper()
		if !want {
			heir.silent()
			return
		}
		pk, err := heir.receive()
		if err != nil || pk.TopicName != "last/words" || len(pk.Payload) != 0 || pk.Properties.ContentType != "text/plain" || len(pk.Properties.User) != 1 {
			t.Fatalf("will %+v, %v", pk, err)
		}
	}
	// Its payload may be empty, and its properties are kept.
	c, _ := r.login(t, 5, "dev", will(0))
	c.Close()
	words(true)
	// Goodbye makes it void; goodbye with the will does not.
	c, _ = r.login(t, 5, "dev", will(0))
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	c.wantEnd()
	words(false)
	c, _ = r.login(t, 5, "dev", will(0))
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: 0x04})
	c.wantEnd()
	words(true)
	// One that waits is void when the device is back, and comes when it is not.
	c, _ = r.login(t, 5, "dev", will(1))
	c.Close()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 1 })
	c, _ = r.login(t, 5, "dev", will(1))
	<-time.After(1500 * time.Millisecond)
	words(false)
	// So it is when the device is back before its old connection has ended.
	c, _ = r.login(t, 5, "dev", will(1))
	<-time.After(1500 * time.Millisecond)
	words(false)
	c.Close()
	words(true)
	// A session that begins anew ends the old one: its will is due at once.
	c, _ = r.login(t, 5, "dev", will(60))
	c.Close()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 1 })
	r.login(t, 5, "dev", nil)
	words(true)
}

func TestSessionsAreBounded(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.MaxSessions = 2 })
	for _, id := range []string{"a", "b"} {
		r.login(t, 5, id, lasting)
	}
	for version, want := range map[byte]byte{4: 3, 5: packets.ErrQuotaExceeded.Code} {
		c := r.dial(t, version)
		if ack := c.connect("c", lasting); ack.ReasonCode != want {
			t.Errorf("v%d: connack %#x, want %#x", version, ack.ReasonCode, want)
		}
		c.wantEnd()
	}
	r.login(t, 5, "c", nil)     // one that ends with its connection
	r.login(t, 5, "a", lasting) // one that is there
	if n := r.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions", n)
	}
}
