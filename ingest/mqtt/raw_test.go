package mqtt_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// raw is a client that sends exactly what it is told to.
type raw struct {
	t testing.TB
	net.Conn
	in      *bufio.Reader
	version byte
}

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// dial opens a connection without a CONNECT.
func (r *rig) dial(t testing.TB, version byte) *raw {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{t: t, Conn: c, in: newReader(c), version: version}
}

// login connects and answers CONNACK, which must be a success.
func (r *rig) login(t testing.TB, version byte, id string, change func(*packets.Packet)) (*raw, packets.Packet) {
	t.Helper()
	c := r.dial(t, version)
	ack := c.connect(id, change)
	if ack.ReasonCode != 0 {
		t.Fatalf("connack %#x", ack.ReasonCode)
	}
	return c, ack
}

// connect sends CONNECT and answers CONNACK.
func (c *raw) connect(id string, change func(*packets.Packet)) packets.Packet {
	c.t.Helper()
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect:     packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: id, Clean: true, Keepalive: 60},
	}
	if change != nil {
		change(&pk)
	}
	c.send(pk)
	ack, err := c.receive()
	if err != nil || ack.FixedHeader.Type != packets.Connack {
		c.t.Fatalf("connect: type %d, %v", ack.FixedHeader.Type, err)
	}
	return ack
}

// send encodes and writes packets.
func (c *raw) send(all ...packets.Packet) {
	c.t.Helper()
	var buf bytes.Buffer
	for _, pk := range all {
		pk.ProtocolVersion = c.version
		var err error
		switch pk.FixedHeader.Type {
		case packets.Connect:
			err = pk.ConnectEncode(&buf)
		case packets.Publish:
			pk.Mods.AllowResponseInfo = true
			err = pk.PublishEncode(&buf)
		case packets.Pubrel:
			pk.FixedHeader.Qos = 1 // the flags that the protocol wants
			err = pk.PubrelEncode(&buf)
		case packets.Puback:
			err = pk.PubackEncode(&buf)
		case packets.Pubrec:
			err = pk.PubrecEncode(&buf)
		case packets.Pubcomp:
			err = pk.PubcompEncode(&buf)
		case packets.Disconnect:
			err = pk.DisconnectEncode(&buf)
		case packets.Unsubscribe:
			pk.FixedHeader.Qos = 1
			err = pk.UnsubscribeEncode(&buf)
		case packets.Subscribe:
			pk.FixedHeader.Qos = 1
			err = pk.SubscribeEncode(&buf)
		case packets.Pingreq:
			err = pk.PingreqEncode(&buf)
		default:
			err = errors.New("cannot encode")
		}
		if err != nil {
			c.t.Fatalf("encode type %d: %v", pk.FixedHeader.Type, err)
		}
	}
	if _, err := c.Write(buf.Bytes()); err != nil {
		c.t.Logf("send: %v", err)
	}
}

// receive reads one packet within ten seconds.
func (c *raw) receive() (packets.Packet, error) {
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return packets.Packet{}, err
	}
	pk := packets.Packet{ProtocolVersion: c.version}
	first, err := c.in.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(c.in); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return pk, err
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback, packets.Pubrec, packets.Pubcomp, packets.Pubrel:
		err = pk.PubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	return pk, err
}

// want reads one packet and checks its type, id and reason code.
func (c *raw) want(kind byte, id uint16, code byte) {
	c.t.Helper()
	pk, err := c.receive()
	if err != nil {
		c.t.Fatalf("want %s %d: %v", packets.PacketNames[kind], id, err)
	}
	if pk.FixedHeader.Type != kind || pk.PacketID != id || pk.ReasonCode != code {
		c.t.Fatalf("got %s %d code %#x, want %s %d code %#x", packets.PacketNames[pk.FixedHeader.Type], pk.PacketID, pk.ReasonCode,
			packets.PacketNames[kind], id, code)
	}
}

// wantEnd reads until the connection ends, and answers the code of the
// DISCONNECT before it, zero without one.
func (c *raw) wantEnd() byte {
	c.t.Helper()
	var code byte
	for {
		pk, err := c.receive()
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			c.t.Fatal("the connection does not end")
		}
		if err != nil {
			return code
		}
		if pk.FixedHeader.Type != packets.Disconnect {
			c.t.Fatalf("got %s, want the end", packets.PacketNames[pk.FixedHeader.Type])
		}
		code = pk.ReasonCode
	}
}

// silent sends a PINGREQ and checks that its answer is the next packet.
func (c *raw) silent() {
	c.t.Helper()
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	c.want(packets.Pingresp, 0, 0)
}

// publish is a PUBLISH.
func publish(id uint16, qos byte, topic, payload string) packets.Packet {
	return packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, PacketID: id, TopicName: topic, Payload: []byte(payload),
	}
}

// again is the same PUBLISH with DUP.
func again(pk packets.Packet) packets.Packet {
	pk.FixedHeader.Dup = true
	return pk
}

// pubrel is a PUBREL.
func pubrel(id uint16) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: id}
}

// subscribe is a SUBSCRIBE.
func subscribe(id uint16, qos byte, filter string) packets.Packet {
	return packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: id,
		Filters: packets.Subscriptions{{Filter: filter, Qos: qos}},
	}
}
