package mqtt_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// refusal is a guard who lets a device subscribe to what it names.
type refusal struct{ allowed []string }

func (g refusal) Device() string               { return "" }
func (g refusal) Publish(string) bool          { return true }
func (g refusal) Subscribe(filter string) bool { return slices.Contains(g.allowed, filter) }
func (g refusal) Receive(string) bool          { return true }
func (g refusal) Ended() <-chan struct{}       { return nil }
func (g refusal) Close()                       {}

// put stores a record as other doors do: without a topic.
func (r *rig) put(t testing.TB, stream shardlog.StreamName, key, text string) {
	t.Helper()
	if out, err := r.log.Put(t.Context(), stream, []shardlog.Entry{{Key: key, Data: []byte(text)}}); err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
}

// stream makes a stream of one shard.
func (r *rig) stream(t testing.TB, name shardlog.StreamName) {
	t.Helper()
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: name, Shards: 1}); err != nil {
		t.Fatal(err)
	}
}

// from is a SUBSCRIBE of MQTT 5 that says where a stream begins.
func from(id uint16, qos byte, filter string, with ...string) packets.Packet {
	pk := subscribe(id, qos, filter)
	for i := 0; i < len(with); i += 2 {
		pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: with[i], Val: with[i+1]})
	}
	return pk
}

// next reads packets until a PUBLISH, and answers it with PUBACK if it has QoS 1.
func (c *raw) next() packets.Packet {
	c.t.Helper()
	for {
		pk, err := c.receive()
		if err != nil {
			c.t.Fatal(err)
		}
		if pk.FixedHeader.Type == packets.Publish {
			if pk.FixedHeader.Qos == 1 {
				c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
			}
			return pk
		}
	}
}

func TestAStreamByMQTT5(t *testing.T) {
	r := start(t, nil)
	r.stream(t, "telemetry")
	r.put(t, "telemetry", "by kinesis", "0")
	pub, _ := r.login(t, 5, "device-7", nil)
	pk := publish(1, 1, "plant/temp", "1")
	pk.Properties.User = []packets.UserProperty{{Key: "unit", Val: "K"}}
	pub.send(pk)
	pub.want(packets.Puback, 1, 0)
	app, _ := r.login(t, 5, "app", nil)
	app.send(from(9, 1, "$stream/telemetry", "from", "earliest"))
	user := func(pk packets.Packet) map[string]string {
		all := map[string]string{}
		for _, u := range pk.Properties.User {
			all[u.Key] = u.Val
		}
		return all
	}
	one, two := app.next(), app.next()
	if u := user(one); one.TopicName != "$stream/telemetry" || string(one.Payload) != "0" || one.FixedHeader.Qos != 1 ||
		u["seq"] != "1" || u["shard"] != "shardId-000000000000" || u["key"] != "by kinesis" || u["topic"] != "" || len(u) != 4 {
		t.Errorf("%s %q %v", one.TopicName, one.Payload, u)
	} else if _, err := time.Parse(time.RFC3339, u["time"]); err != nil {
		t.Error(err)
	}
	if u := user(two); string(two.Payload) != "1" || u["topic"] != "plant/temp" || u["key"] != "device-7" || u["seq"] != "2" || u["unit"] != "K" {
		t.Errorf("%q %v", two.Payload, u)
	}
	app.send(from(10, 1, "$stream/telemetry", "from", "earliest")) // as before: it goes on
	r.put(t, "telemetry", "k", "2")
	if got := app.next(); string(got.Payload) != "2" {
		t.Errorf("%q", got.Payload)
	}
	app.send(from(11, 0, "$stream/telemetry", "from", "seq:2", "shard", "0"))
	for _, want := range []string{"1", "2"} {
		if got := app.next(); string(got.Payload) != want || got.FixedHeader.Qos != 0 {
			t.Errorf("%q with QoS %d, want %q", got.Payload, got.FixedHeader.Qos, want)
		}
	}
	s, _ := r.log.Stream("telemetry")
	if err := r.log.GiveUp(s.Shards[0].ID, 3, shardlog.OverBudget); err != nil {
		t.Fatal(err)
	}
	app.send(from(12, 1, "$stream/telemetry", "from", "seq:1", "shard", "0"))
	if got := app.next(); user(got)["gap"] != "over budget" || user(got)["first"] != "1" || user(got)["last"] != "2" || len(got.Payload) != 0 {
		t.Errorf("%q %v is no gap", got.Payload, user(got))
	}
}

func TestStreamsThatAreRefused(t *testing.T) {
	for version, codes := range map[byte][]byte{
		4: {0x80, 0x80, 0x80, 0x80, 0x80, 1},
		5: {0x8f, 0x87, 0x8f, 0x8f, 0x87, 1},
	} {
		r := start(t, func(_ *rig, c *mqtt.Config) {
			c.Admit = func(context.Context, mqtt.Login) (mqtt.Guard, error) {
				return refusal{[]string{"$stream/missing", "$stream/_gaps", "$stream/s/from/nowhere", "$stream/s/shard/7", "$stream/s"}}, nil
			}
		})
		r.stream(t, "s")
		r.stream(t, "secret")
		c, _ := r.login(t, version, "app", nil)
		pk := subscribe(3, 1, "$stream/missing")
		for _, filter := range []string{"$stream/_gaps", "$stream/s/from/nowhere", "$stream/s/shard/7", "$stream/secret", "$stream/s"} {
			pk.Filters = append(pk.Filters, packets.Subscription{Filter: filter, Qos: 1})
		}
		c.send(pk)
		if ack, err := c.receive(); err != nil || !slices.Equal(ack.ReasonCodes, codes) {
			t.Errorf("version %d: %x %v, want %x", version, ack.ReasonCodes, err, codes)
		}
	}
	r := start(t, nil)
	r.stream(t, "s")
	c, _ := r.login(t, 5, "app", nil)
	c.send(publish(1, 1, "$stream/s", "x"))
	if ack, err := c.receive(); err != nil || ack.ReasonCode < 0x80 {
		t.Errorf("a publish to $stream/s: %x %v", ack.ReasonCode, err)
	}
}

// TestAStreamSessionGoesOn at what it has not answered, after its gateway has
// stopped and started, for both versions and for QoS 1 and 2.
func TestAStreamSessionGoesOn(t *testing.T) {
	for _, version := range []byte{4, 5} {
		for _, qos := range []byte{1, 2} {
			t.Run(fmt.Sprint(version, " ", qos), func(t *testing.T) {
				r := start(t, nil)
				r.stream(t, "s")
				for i := range 5 {
					r.put(t, "s", "k", fmt.Sprint(i))
				}
				const filter = "$stream/s/from/time/2000-01-01T00:00:00Z"
				c, _ := r.login(t, version, "app", lasting)
				c.send(subscribe(1, qos, filter))
				if got := c.consume(5, qos, filter, "0", "1"); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
					t.Fatal(got)
				}
				r.stop()
				r.serve(t, nil)
				r.put(t, "s", "k", "5")
				c = r.dial(t, version)
				if ack := c.connect("app", lasting); !ack.SessionPresent {
					t.Fatal("the session is new")
				}
				c.send(subscribe(1, qos, filter)) // as paho does; it changes nothing
				if got := c.consume(4, qos, filter, "2", "3", "4", "5"); !slices.Equal(got, []string{"2 again", "3 again", "4 again", "5"}) {
					t.Fatal(got)
				}
			})
		}
	}
}

// consume reads SUBACK and n messages, and completes those that it is told to.
func (c *raw) consume(n int, qos byte, topic string, complete ...string) (got []string) {
	c.t.Helper()
	released, subscribed := 0, false
	for len(got) < n || qos == 2 && released < len(complete) || !subscribed {
		pk, err := c.receive()
		if err != nil {
			c.t.Fatalf("after %v: %v", got, err)
		}
		switch answer := (packets.Packet{PacketID: pk.PacketID}); pk.FixedHeader.Type {
		case packets.Publish:
			text := string(pk.Payload)
			if pk.TopicName != topic || pk.FixedHeader.Qos != qos {
				c.t.Errorf("%s %q with QoS %d", pk.TopicName, text, pk.FixedHeader.Qos)
			}
			if answer.FixedHeader.Type = packets.Puback; qos == 2 {
				answer.FixedHeader.Type = packets.Pubrec
			}
			if slices.Contains(complete, text) {
				c.send(answer)
			}
			if pk.FixedHeader.Dup {
				text += " again"
			}
			got = append(got, text)
		case packets.Suback:
			subscribed = true
		case packets.Pubrel:
			answer.FixedHeader.Type = packets.Pubcomp
			c.send(answer)
			released++
		}
	}
	c.silent()
	return got
}
