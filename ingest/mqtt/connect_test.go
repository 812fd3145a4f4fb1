package mqtt_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

func TestFirstPacket(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.ConnectTimeout = 300 * time.Millisecond })
	for name, bytes := range map[string][]byte{
		"no CONNECT":        {0x30, 0x03, 0x00, 0x01, 'a'},
		"no MQTT":           []byte("GET / HTTP/1.1\r\n\r\n"),
		"a large CONNECT":   {0x10, 0x81, 0x80, 0x01},
		"half a CONNECT":    {0x10, 0x0d, 0x00},
		"nothing":           nil,
		"unknown protocol":  {0x10, 0x0d, 0x00, 0x04, 'M', 'Q', 'X', 'X', 4, 0x02, 0x00, 0x3c, 0x00, 0x01, 'a'},
		"nothing behind it": {0x10, 0x00},
	} {
		c := r.dial(t, 4)
		if _, err := c.Write(bytes); err != nil {
			t.Fatal(err)
		}
		for {
			pk, err := c.receive()
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				t.Fatalf("%s: the connection does not end", name)
			}
			if err != nil {
				break
			}
			if pk.FixedHeader.Type != packets.Connack || pk.ReasonCode == 0 {
				t.Errorf("%s: type %d, code %#x", name, pk.FixedHeader.Type, pk.ReasonCode)
			}
		}
	}
	eventually(t, "all are gone", func() bool { return r.Stats().Connections == 0 })
}

func TestWhoMayConnect(t *testing.T) {
	var logins []mqtt.Login
	r := start(t, func(_ *rig, c *mqtt.Config) {
		c.Authenticate = func(l mqtt.Login) bool {
			l.Password = slices.Clone(l.Password)
			logins = append(logins, l)
			return l.Username == "bob" && string(l.Password) == "open sesame"
		}
	})
	as := func(name, password string) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte(name)
			pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte(password)
		}
	}
	will := func(topic string) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			as("bob", "open sesame")(pk)
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte("x")
		}
	}
	for _, c := range []struct {
		name, id string
		change   func(*packets.Packet)
		v4, v5   byte
	}{
		{"right password", "dev", as("bob", "open sesame"), 0, 0},
		{"wrong password", "dev", as("bob", "guess"), 5, 0x86},
		{"no password", "dev", nil, 5, 0x86},
		{"plus in id", "de+v", as("bob", "open sesame"), 2, 0x85},
		{"hash in id", "de#v", as("bob", "open sesame"), 2, 0x85},
		{"dollar id", "$dev", as("bob", "open sesame"), 2, 0x85},
		{"long id", strings.Repeat("x", 257), as("bob", "open sesame"), 2, 0x85},
		{"slash in id", "site/dev", as("bob", "open sesame"), 0, 0},
		{"will", "dev", will("last/words"), 0, 0},
		{"will with wildcard", "dev", will("a/#"), 5, 0x90},
		{"will to our topics", "dev", will("$SYS/x"), 5, 0x87},
	} {
		for version, want := range map[byte]byte{4: c.v4, 5: c.v5} {
			conn := r.dial(t, version)
			if ack := conn.connect(c.id, c.change); ack.ReasonCode != want {
				t.Errorf("%s, v%d: connack %#x, want %#x", c.name, version, ack.ReasonCode, want)
			}
			if want != 0 {
				conn.wantEnd()
			}
			conn.Close()
			eventually(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
		}
	}
	conn := r.dial(t, 4)
	if ack := conn.connect("", func(pk *packets.Packet) { pk.Connect.Clean = false }); ack.ReasonCode != 2 {
		t.Errorf("no id, no clean session: connack %#x, want 2", ack.ReasonCode)
	}
	if logins[0].ClientID != "dev" || logins[0].Remote == nil || logins[0].TLS != nil {
		t.Errorf("login %+v", logins[0])
	}
	if text := r.out.String(); strings.Contains(text, "sesame") || strings.Contains(text, "guess") {
		t.Error("a password is in the log")
	}
}

func TestConnectionCap(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.MaxConnections = 3 })
	var all []*raw
	for i := range 3 {
		c, _ := r.login(t, 4, fmt.Sprint("dev", i), nil)
		all = append(all, c)
	}
	r.dial(t, 4).wantEnd()
	if n := r.Stats().TurnedAway; n != 1 {
		t.Errorf("%d turned away", n)
	}
	all[0].Close()
	eventually(t, "a place is free", func() bool { return r.Stats().Connections == 2 })
	eventually(t, "it is taken", func() bool {
		c := r.dial(t, 4)
		c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect},
			Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: "late", Clean: true}})
		pk, err := c.receive()
		return err == nil && pk.ReasonCode == 0
	})
}

func TestUnknownProtocolLevels(t *testing.T) {
	// MQTT 3.1.1, 3.1.2.2. Mosquitto's bridge sets the high bit at first.
	r := start(t, nil)
	for _, level := range []byte{0, 2, 6, 0x83, 0x84, 0x85} {
		c := r.dial(t, 4)
		c.Write([]byte{0x10, 0x0d, 0x00, 0x04, 'M', 'Q', 'T', 'T', level, 0x02, 0x00, 0x3c, 0x00, 0x01, 'a'})
		if pk, err := c.receive(); err != nil || pk.FixedHeader.Type != packets.Connack || pk.ReasonCode != 1 {
			t.Errorf("level %#x: type %d, code %#x, %v", level, pk.FixedHeader.Type, pk.ReasonCode, err)
		}
		c.wantEnd()
	}
}
