package mqtt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

// What this package relies on in the broker library, or works around. When one
// of these fails after an update, the code beside it wants a look.

func TestCanarySubscribePanics(t *testing.T) {
	// The recover in establish is for this.
	defer func() {
		if recover() == nil {
			t.Error("the library no longer panics on a SUBSCRIBE without options")
		}
	}()
	pk := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1, Remaining: 6}}
	_ = pk.SubscribeDecode([]byte{0x00, 0x01, 0x00, 0x00, 0x01, 'a'}) // it never returns
}

func TestPanicEndsItsConnectionOnly(t *testing.T) {
	r := start(t, nil)
	other, _ := r.login(t, 5, "other", nil)
	for range 3 {
		c, _ := r.login(t, 5, "dev", nil)
		c.send(subscribe(1, 1, "a"))
		c.want(packets.Suback, 1, 0)
		if _, err := c.Write([]byte{0x82, 0x06, 0x00, 0x01, 0x00, 0x00, 0x01, 'a'}); err != nil {
			t.Fatal(err)
		}
		c.wantEnd()
	}
	eventually(t, "only the other is left", func() bool { return r.Stats().Connections == 1 })
	other.send(publish(1, 1, "a", "x"))
	other.want(packets.Puback, 1, 0)
	if s := r.Stats(); s.Panics != 3 || s.Subscriptions != 0 {
		t.Errorf("%d panics, %d subscriptions left", s.Panics, s.Subscriptions)
	}
}

// pending makes a client with an outbound QoS 1 message, whose id it answers,
// in flight and unacknowledged.
func pending(t *testing.T, r *rig, version byte) (*raw, uint16) {
	t.Helper()
	c, _ := r.login(t, version, "dev", lasting)
	c.send(subscribe(100, 1, "cmd"))
	granted(t, c, 100, 1)
	boss, _ := r.login(t, 5, "boss", nil)
	boss.send(publish(1, 1, "cmd", "go"))
	boss.want(packets.Puback, 1, 0)
	cmd, err := c.receive()
	if err != nil || string(cmd.Payload) != "go" || cmd.PacketID == 0 {
		t.Fatalf("command %q, id %d, %v", cmd.Payload, cmd.PacketID, err)
	}
	return c, cmd.PacketID
}

// want's reason code of a SUBACK is in ReasonCodes, which it does not look at.
func granted(t *testing.T, c *raw, id uint16, code byte) {
	t.Helper()
	pk, err := c.receive()
	if err != nil || pk.FixedHeader.Type != packets.Suback || pk.PacketID != id || !slices.Equal(pk.ReasonCodes, []byte{code}) {
		t.Fatalf("type %d id %d codes %x, %v", pk.FixedHeader.Type, pk.PacketID, pk.ReasonCodes, err)
	}
}

func TestSubscribeUnderAnIDInFlight(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r := start(t, nil)
		c, id := pending(t, r, version)
		c.send(subscribe(id, 1, "other"))
		granted(t, c, id, 1)
		c.send(subscribe(id+1, 0, "third"))
		granted(t, c, id+1, 0)
	}
}

func TestPublishUnderAnIDInFlight(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r := start(t, nil)
		c, id := pending(t, r, version)
		c.send(publish(id, 1, "up", "x"))
		c.want(packets.Puback, id, 0)
		c.send(publish(id, 2, "up", "y"))
		c.want(packets.Pubrec, id, 0)
		c.send(pubrel(id))
		c.want(packets.Pubcomp, id, 0)
		c.Close()
		c, ack := r.login(t, version, "dev", lasting)
		if !ack.SessionPresent {
			t.Error("no session present")
		}
		cmd, err := c.receive()
		if err != nil || string(cmd.Payload) != "go" || cmd.PacketID != id || !cmd.FixedHeader.Dup {
			t.Fatalf("v%d: the command is lost: %q, id %d, %v", version, cmd.Payload, cmd.PacketID, err)
		}
	}
}

func TestAcksAndMessagesShareAConnection(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	c.send(subscribe(1, 0, "echo"))
	c.want(packets.Suback, 1, 0)
	acks, messages := 0, 0
	for round := range 50 {
		var all []packets.Packet
		for i := range 20 {
			all = append(all, publish(uint16(i+1), 1, "echo", fmt.Sprint("m", 20*round+i)))
		}
		c.send(all...)
		for acks+messages < 2*20*(round+1) {
			pk, err := c.receive()
			switch {
			case err != nil:
				t.Fatalf("after %d acks, %d messages: %v", acks, messages, err)
			case pk.FixedHeader.Type == packets.Puback:
				acks++
			case string(pk.Payload) != fmt.Sprint("m", messages):
				t.Fatalf("got %q, want m%d", pk.Payload, messages)
			default:
				messages++
			}
		}
	}
}

func TestReceiveMaximumDoesNotStall(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = 10 })
	c.send(subscribe(1, 1, "cmd"))
	granted(t, c, 1, 1)
	boss, _ := r.login(t, 5, "boss", nil)
	for i := range 200 {
		boss.send(publish(uint16(i+1), 1, "cmd", fmt.Sprint("m", i)))
		boss.want(packets.Puback, uint16(i+1), 0)
	}
	for i := range 200 {
		pk, err := c.receive()
		if err != nil || string(pk.Payload) != fmt.Sprint("m", i) {
			t.Fatalf("message %d: %q, %v", i, pk.Payload, err)
		}
		c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
	}
}

func TestTopicAlias(t *testing.T) {
	r := start(t, nil)
	c, ack := r.login(t, 5, "dev", nil)
	if ack.Properties.TopicAliasMaximum != 32 {
		t.Errorf("announced %d aliases", ack.Properties.TopicAliasMaximum)
	}
	for i, topic := range []string{"a/b", "", ""} {
		pk := publish(uint16(i+1), 1, topic, fmt.Sprint("m", i))
		pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 3, true
		c.send(pk)
		c.want(packets.Puback, uint16(i+1), 0)
	}
	for _, rec := range r.records(t, "telemetry") {
		if m, err := mqtt.DecodeMeta(rec.Meta); err != nil || m.Topic != "a/b" {
			t.Errorf("topic %q, %v", m.Topic, err)
		}
	}
	sameOrder(t, r.texts(t, "telemetry"), "m", 3)
}

func TestNoLocal(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	sub := subscribe(1, 0, "a")
	sub.Filters[0].NoLocal = true
	c.send(sub)
	c.want(packets.Suback, 1, 0)
	c.send(publish(2, 1, "a", "x"))
	c.want(packets.Puback, 2, 0)
	c.silent()
}
