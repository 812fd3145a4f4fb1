package mqtt_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// echo is a service that announces each request on …/accepted.
type echo struct {
	r *rig

	mu    sync.Mutex
	order []string
	fail  func(text string) error
}

func (e *echo) Takes(topic string) bool { return strings.HasPrefix(topic, "$aws/things/") }

func (e *echo) Serve(ctx context.Context, q ingest.Request) error {
	e.mu.Lock()
	fail := e.fail
	e.mu.Unlock()
	if fail != nil {
		if err := fail(string(q.Payload)); err != nil {
			return err
		}
	}
	e.mu.Lock()
	e.order = append(e.order, q.ClientID+":"+string(q.Payload))
	e.mu.Unlock()
	meta := mqtt.Meta{Topic: q.Topic + "/accepted", QoS: 1, Client: "$service"}
	results, err := e.r.log.Put(ctx, ingest.AnnounceStream, []shardlog.Entry{{Key: q.ClientID, Data: []byte("got " + string(q.Payload)), Meta: meta.Append(nil)}})
	if err == nil {
		err = results[0].Err
	}
	return err
}

// serving starts a server with an echo.
func serving(t *testing.T) (*rig, *echo) {
	t.Helper()
	e := &echo{}
	r := start(t, func(r *rig, c *mqtt.Config) {
		e.r = r
		c.Services = []ingest.Service{e}
		if err := ingest.Make(t.Context(), r.log, shardlog.StreamSpec{Name: ingest.AnnounceStream, Shards: 1}); err != nil {
			t.Fatal(err)
		}
	})
	return r, e
}

func TestServicesAnswerInOrder(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r, e := serving(t)
		tried := 0
		e.fail = func(text string) error {
			if text == "m3" {
				if tried++; tried < 3 { // it is tried again, and what is behind it waits
					return &shardlog.Error{Kind: shardlog.Unavailable, Op: "serve"}
				}
			}
			return nil
		}
		c, _ := r.login(t, version, "dev", nil)
		c.send(subscribe(1, 1, "$aws/things/dev/shadow/+/accepted"))
		granted(t, c, 1, 1)
		var want []string
		for i := range 6 {
			c.send(publish(uint16(i+1), 1, "$aws/things/dev/shadow/update", fmt.Sprint("m", i)))
			want = append(want, fmt.Sprint("dev:m", i))
		}
		acks, heard := uint16(0), 0
		for acks < 6 || heard < 6 {
			pk, err := c.receive()
			switch {
			case err != nil:
				t.Fatal(err)
			case pk.FixedHeader.Type == packets.Puback:
				if acks++; pk.PacketID != acks || pk.ReasonCode != 0 {
					t.Fatalf("PUBACK %d, code %#x, want %d", pk.PacketID, pk.ReasonCode, acks)
				}
			case pk.TopicName != "$aws/things/dev/shadow/update/accepted" || string(pk.Payload) != fmt.Sprint("got m", heard):
				t.Fatalf("%s %q", pk.TopicName, pk.Payload)
			default:
				heard++
				c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
			}
		}
		if !slices.Equal(e.order, want) {
			t.Errorf("order %v", e.order)
		}
	}
}

func TestServicesRefuse(t *testing.T) {
	r, e := serving(t)
	e.fail = func(text string) error {
		if text == "bad" {
			return &shardlog.Error{Kind: shardlog.Denied, Op: "serve"}
		}
		return nil
	}
	c, _ := r.login(t, 5, "dev", nil)
	for i, one := range []struct {
		qos         byte
		topic, text string
		kind, code  byte
	}{
		{1, "$aws/things/x/shadow/get", "bad", packets.Puback, 0x87},
		{2, "$aws/things/x/shadow/get", "good", packets.Pubrec, 0x87},
		{1, "$aws/other", "good", packets.Puback, 0x87},
		{1, "$aws/things/x/shadow/get", "good", packets.Puback, 0},
	} {
		id := uint16(i + 1)
		c.send(publish(id, one.qos, one.topic, one.text))
		c.want(one.kind, id, one.code)
	}
	c.send(subscribe(9, 1, "$SYS/#"))
	granted(t, c, 9, 0x87)
	bare := start(t, nil)
	c, _ = bare.login(t, 5, "dev", nil)
	c.send(subscribe(9, 1, "$aws/things/dev/#"))
	granted(t, c, 9, 0x87) // nobody would publish there
}

func TestReplies(t *testing.T) {
	r, _ := serving(t)
	c, _ := r.login(t, 5, "dev", nil)
	c.send(subscribe(1, 0, "$aws/things/dev/streams/+/data/json"))
	granted(t, c, 1, 0)
	r.Reply("dev", ingest.Announcement{Topic: "$aws/things/dev/streams/s1/rejected/json", Payload: []byte("no")})
	r.Reply("other", ingest.Announcement{Topic: "$aws/things/dev/streams/s1/data/json", Payload: []byte("no")})
	r.Reply("dev", ingest.Announcement{Topic: "$aws/things/dev/streams/s1/data/json", Payload: []byte("block")})
	pk, err := c.receive()
	if err != nil || string(pk.Payload) != "block" || pk.FixedHeader.Qos != 0 {
		t.Fatalf("%q, QoS %d, %v", pk.Payload, pk.FixedHeader.Qos, err)
	}
	c.silent()
}
