package mqtt_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// message reads one PUBLISH.
func (c *raw) message() packets.Packet {
	c.t.Helper()
	pk, err := c.receive()
	if err != nil || pk.FixedHeader.Type != packets.Publish {
		c.t.Fatalf("type %d, id %d: %v", pk.FixedHeader.Type, pk.PacketID, err)
	}
	return pk
}

// hears reads a PUBLISH of that payload and answers its id.
func (c *raw) hears(payload string, dup bool) uint16 {
	c.t.Helper()
	pk := c.message()
	if string(pk.Payload) != payload || pk.FixedHeader.Dup != dup {
		c.t.Fatalf("heard %q, dup %v, want %q, %v", pk.Payload, pk.FixedHeader.Dup, payload, dup)
	}
	return pk.PacketID
}

func answer(kind byte, id uint16) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
}

// subscribed subscribes and waits for SUBACK.
func (c *raw) subscribed(qos byte, filter string) {
	c.t.Helper()
	c.send(subscribe(9, qos, filter))
	c.want(packets.Suback, 9, 0)
}

func (r *rig) gone(t *testing.T, c *raw) {
	t.Helper()
	before := r.Stats().Connections
	c.Close()
	eventually(t, "the connection is gone", func() bool { return r.Stats().Connections < before })
}

// TestASessionGoesOn: what was published while a device was away is sent when
// it comes back, and what it did not answer under the id of then, though the
// gateway was started anew in between.
func TestASessionGoesOn(t *testing.T) {
	for _, version := range []byte{4, 5} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(version, restart), func(t *testing.T) {
				r := start(t, nil)
				c, ack := r.login(t, version, "dev", lasting)
				if ack.SessionPresent {
					t.Error("a new session is said to be an old one")
				}
				c.subscribed(1, "cmd/dev/#")
				sender, _ := r.login(t, 5, "sender", nil)
				put := func(text string) {
					sender.send(publish(3, 1, "cmd/dev/a", text))
					sender.want(packets.Puback, 3, 0)
				}
				put("one")
				first := c.hears("one", false)
				put("two")
				second := c.hears("two", false)
				c.send(answer(packets.Puback, second)) // out of order, and never sent again
				c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
				if pk, err := c.receive(); err != nil || pk.FixedHeader.Type != packets.Pingresp {
					t.Fatal(pk.FixedHeader.Type, err)
				}
				r.gone(t, c)
				put("three")
				if restart {
					r.stop()
					r.serve(t, nil)
					sender, _ = r.login(t, 5, "sender", nil)
				}
				put("four")
				c, ack = r.login(t, version, "dev", lasting)
				if !ack.SessionPresent {
					t.Error("the session is forgotten")
				}
				if id := c.hears("one", true); id != first {
					t.Errorf("sent again under %d, it was %d", id, first)
				}
				c.send(answer(packets.Puback, first), answer(packets.Puback, c.hears("three", false)))
				c.send(answer(packets.Puback, c.hears("four", false)))
				put("five")
				c.send(answer(packets.Puback, c.hears("five", false)))
				r.gone(t, c)
				c, ack = r.login(t, version, "dev", nil) // a clean start ends it
				if ack.SessionPresent {
					t.Error("a clean start found a session")
				}
				put("six")
				c.silent()
				r.gone(t, c)
				if _, ack = r.login(t, version, "dev", lasting); ack.SessionPresent {
					t.Error("the session is there after a clean start")
				}
			})
		}
	}
}

// TestExactlyOnceToTheDevice: PUBREL is sent again over a new connection, the
// message is not.
func TestExactlyOnceToTheDevice(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", lasting)
	c.subscribed(2, "cmd")
	sender, _ := r.login(t, 4, "sender", nil)
	sender.send(publish(1, 2, "cmd", "x"))
	sender.want(packets.Pubrec, 1, 0)
	id := c.hears("x", false)
	c.send(answer(packets.Pubrec, id))
	c.want(packets.Pubrel, id, 0)
	r.gone(t, c)
	r.stop()
	r.serve(t, nil)
	c, _ = r.login(t, 5, "dev", lasting)
	c.want(packets.Pubrel, id, 0)
	c.send(answer(packets.Pubcomp, id))
	c.silent()
	c.send(answer(packets.Pubrec, 77)) // nobody knows it
	c.want(packets.Pubrel, 77, 0x92)
}

// TestReceiveMaximum: a device that takes three messages before it answers gets
// a thousand, in order.
func TestReceiveMaximum(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = 3 })
	c.subscribed(2, "many")
	sender := r.device(t, "sender", nil)
	const n = 1000
	for i := range n {
		sender.Publish("many", byte(1+i%2), false, fmt.Sprint(i))
	}
	open := map[uint16]bool{}
	for i := 0; i < n; {
		pk, err := c.receive()
		if err != nil {
			t.Fatal(i, err)
		}
		switch pk.FixedHeader.Type {
		case packets.Publish:
			if open[pk.PacketID] = true; len(open) > 3 {
				t.Fatalf("%d messages wait for an answer", len(open))
			}
			if string(pk.Payload) != fmt.Sprint(i) {
				t.Fatalf("heard %s, want %d", pk.Payload, i)
			}
			i++
			if pk.FixedHeader.Qos == 1 {
				delete(open, pk.PacketID)
				c.send(answer(packets.Puback, pk.PacketID))
			} else {
				c.send(answer(packets.Pubrec, pk.PacketID))
			}
		case packets.Pubrel:
			delete(open, pk.PacketID)
			c.send(answer(packets.Pubcomp, pk.PacketID))
		}
	}
}

// TestRetainedMessagesStay over a restart, and go with an empty one.
func TestRetainedMessagesStay(t *testing.T) {
	r := start(t, nil)
	sender, _ := r.login(t, 5, "sender", nil)
	retain := func(topic, text string) {
		pk := publish(1, 1, topic, text)
		pk.FixedHeader.Retain = true
		sender.send(pk)
		sender.want(packets.Puback, 1, 0)
	}
	retain("state/a", "old")
	retain("state/a", "new")
	retain("state/b", "b")
	retain("state", "root")
	retain("other", "o")
	r.stop()
	r.serve(t, nil)
	sender, _ = r.login(t, 5, "sender", nil)
	heard := func(filter string, want ...string) {
		t.Helper()
		c, _ := r.login(t, 5, "reader", nil)
		c.subscribed(0, filter)
		var got []string
		for range want {
			pk := c.message()
			if !pk.FixedHeader.Retain {
				t.Errorf("%s is not marked", pk.TopicName)
			}
			got = append(got, pk.TopicName+"="+string(pk.Payload))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
		c.silent()
		r.gone(t, c)
	}
	heard("state/+", "state/a=new", "state/b=b")
	heard("state/#", "state/a=new", "state/b=b", "state=root")
	heard("state/a", "state/a=new")
	retain("state/a", "")
	heard("state/+", "state/b=b")
	eventually(t, "three are left", func() bool { return r.Stats().Retained == 3 })
}

// TestOptionsOfSubscriptions of MQTT 5.
func TestOptionsOfSubscriptions(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	with := func(filter string, change func(*packets.Subscription), id int) {
		t.Helper()
		pk := subscribe(4, 1, filter)
		change(&pk.Filters[0])
		if id > 0 {
			pk.Filters[0].Identifier = id
			pk.Properties.SubscriptionIdentifier = []int{id}
		}
		c.send(pk)
		c.want(packets.Suback, 4, 0)
	}
	with("a/#", func(s *packets.Subscription) { s.NoLocal = true }, 7)
	with("a/b", func(s *packets.Subscription) { s.Qos, s.RetainAsPublished = 0, true }, 8)
	sender, _ := r.login(t, 5, "sender", nil)
	pk := publish(1, 2, "a/b", "x")
	pk.FixedHeader.Retain = true
	pk.Properties.ContentType, pk.Properties.MessageExpiryInterval = "text/plain", 60
	sender.send(pk)
	sender.want(packets.Pubrec, 1, 0)
	got := c.message()
	ids := slices.Sorted(slices.Values(got.Properties.SubscriptionIdentifier))
	if !slices.Equal(ids, []int{7, 8}) || got.FixedHeader.Qos != 1 || !got.FixedHeader.Retain || got.Properties.ContentType != "text/plain" || got.Properties.MessageExpiryInterval == 0 || got.Properties.MessageExpiryInterval > 60 {
		t.Errorf("%+v %+v", got.FixedHeader, got.Properties)
	}
	c.send(answer(packets.Puback, got.PacketID), publish(2, 1, "a/c", "own"))
	c.want(packets.Puback, 2, 0)
	c.silent()
	un := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 6, Filters: packets.Subscriptions{{Filter: "a/#"}, {Filter: "none"}}}
	c.send(un)
	if ack, err := c.receive(); err != nil || ack.FixedHeader.Type != packets.Unsuback || !slices.Equal(ack.ReasonCodes, []byte{0, 0x11}) {
		t.Errorf("%+v %v", ack, err)
	}
}

// TestATakenOverSession goes on at the new connection of the same client id.
func TestATakenOverSession(t *testing.T) {
	r := start(t, nil)
	old, _ := r.login(t, 5, "dev", lasting)
	old.subscribed(1, "cmd")
	sender, _ := r.login(t, 5, "sender", nil)
	sender.send(publish(1, 1, "cmd", "x"))
	sender.want(packets.Puback, 1, 0)
	id := old.hears("x", false)
	c, ack := r.login(t, 5, "dev", lasting)
	if !ack.SessionPresent || c.hears("x", true) != id {
		t.Error("the session did not go on")
	}
	if code := old.wantEnd(); code != packets.ErrSessionTakenOver.Code {
		t.Errorf("the old connection ended with %#x", code)
	}
	c.send(answer(packets.Puback, id))
	sender.send(publish(2, 1, "cmd", "y"))
	sender.want(packets.Puback, 2, 0)
	c.hears("y", false)
}

// TestTopicsOfOurOwn cannot be subscribed to, nor filters that are none.
func TestTopicsOfOurOwn(t *testing.T) {
	r := start(t, func(_ *rig, _ *mqtt.Config) {})
	for version, want := range map[byte][]byte{4: {0x80, 0x80, 1}, 5: {0x87, 0x8f, 1}} {
		c, _ := r.login(t, version, "dev", nil)
		pk := subscribe(1, 1, "$SYS/#")
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: "a/#/b", Qos: 1}, packets.Subscription{Filter: "a/#", Qos: 1})
		c.send(pk)
		if ack, err := c.receive(); err != nil || !slices.Equal(ack.ReasonCodes, want) {
			t.Errorf("v%d: %#v %v", version, ack.ReasonCodes, err)
		}
	}
}

func TestRequestsSayWhereToAnswer(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "lamp", nil)
	c.send(subscribe(1, 1, "cmd/#"))
	granted(t, c, 1, 1)
	app, _ := r.login(t, 5, "app", nil)
	ask := publish(1, 1, "cmd/lamp", "on")
	ask.Properties = packets.Properties{ResponseTopic: "answers/app", CorrelationData: []byte{0, 7}, ContentType: "text/plain", User: []packets.UserProperty{{Key: "k", Val: "v"}}}
	app.send(ask)
	app.want(packets.Puback, 1, 0)
	pk, err := c.receive()
	p := pk.Properties
	if err != nil || p.ResponseTopic != "answers/app" || string(p.CorrelationData) != "\x00\x07" || p.ContentType != "text/plain" || len(p.User) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestASessionFindsWhatIsInANewStream(t *testing.T) {
	// The stream of a route is made by its first message: while the device is away
	// that must be sent later, all of it.
	two := func(_ *rig, c *mqtt.Config) {
		c.Routes = routes(t, ingest.Route{Filter: "cmd/#", Stream: "commands"})
	}
	r := start(t, func(r *rig, c *mqtt.Config) { two(r, c); c.Control = lazy{c.Control, "commands"} })
	c, _ := r.login(t, 5, "dev", lasting)
	c.send(subscribe(1, 1, "cmd/dev"))
	granted(t, c, 1, 1)
	boss, _ := r.login(t, 5, "boss", nil)
	boss.send(publish(1, 1, "other", "x")) // there is a stream at all
	boss.want(packets.Puback, 1, 0)
	eventually(t, "the session has its place", func() bool { // an UNSUBSCRIBE has it noted
		c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 9, Filters: packets.Subscriptions{{Filter: "none"}}})
		c.want(packets.Unsuback, 9, 0)
		row, _, err := r.log.Get(t.Context(), "mqtt.session", "dev")
		return err == nil && strings.Contains(string(row), `"newest":`)
	})
	c.Close()
	eventually(t, "it is away", func() bool { return r.Stats().Connections == 1 })
	r.stop()
	r.serve(t, two)
	boss, _ = r.login(t, 5, "boss", nil)
	for i := range 3 {
		boss.send(publish(uint16(i+1), 1, "cmd/dev", fmt.Sprint("m", i)))
		boss.want(packets.Puback, uint16(i+1), 0)
	}
	c, _ = r.login(t, 5, "dev", lasting)
	for i := range 3 {
		if pk := c.message(); string(pk.Payload) != fmt.Sprint("m", i) {
			t.Fatalf("%q, want m%d", pk.Payload, i)
		}
	}
}

// lazy makes all streams but one.
type lazy struct {
	shardlog.Control
	not shardlog.StreamName
}

func (l lazy) CreateStream(ctx context.Context, spec shardlog.StreamSpec) error {
	if spec.Name == l.not {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "create stream"}
	}
	return l.Control.CreateStream(ctx, spec)
}
