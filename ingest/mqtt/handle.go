package mqtt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// errLeft ends a connection whose device said goodbye.
var errLeft = errors.New("device left")

// guarded runs a part of a connection's life. A packet that makes the codec
// panic ends this connection only.
func (c *conn) guarded(part func(ctx context.Context) error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			c.server.stats.panics.Add(1)
			c.server.cfg.Log.Error("codec panicked, connection ends", "remote", c.RemoteAddr(),
				"fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
			err = packets.ErrMalformedPacket
		}
	}()
	return part(c.server.life)
}

// serve is a connection's life after CONNACK.
func (c *conn) serve(ctx context.Context) error {
	defer c.reader.close(&c.server.lent)
	c.device.Load().open()
	for {
		var pk packets.Packet
		if err := c.receive(&pk); err != nil {
			return err
		}
		if err := c.handle(ctx, &pk); err != nil {
			return err
		}
	}
}

// receive waits for a packet and decodes it.
func (c *conn) receive(pk *packets.Packet) error {
	first, body, err := c.reader.next(&c.server.lent)
	if err != nil {
		return err
	}
	pk.ProtocolVersion = c.version()
	if err := pk.FixedHeader.Decode(first); err != nil {
		return err
	}
	pk.FixedHeader.Remaining = len(body)
	return decode(pk, body)
}

// decode reads what a client may send. Parts of body stay part of pk.
func decode(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return pk.ConnectDecode(body)
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Pubrec:
		return pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk.PubcompDecode(body)
	case packets.Subscribe:
		return pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Pingreq:
		return nil
	case packets.Disconnect:
		return pk.DisconnectDecode(body)
	default: // AUTH: no method of authentication was agreed on (MQTT 5.0, 4.12)
		return packets.ErrProtocolViolation
	}
}

// handle deals with one packet after CONNECT. An error ends the connection.
func (c *conn) handle(ctx context.Context, pk *packets.Packet) error {
	d := c.device.Load()
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return c.onPublish(pk)
	case packets.Pubrel:
		if !pk.ReasonCodeValid() {
			return packets.ErrProtocolViolation
		}
		return c.onPubrel(pk)
	case packets.Puback, packets.Pubrec, packets.Pubcomp:
		if !pk.ReasonCodeValid() {
			return packets.ErrProtocolViolation
		}
		d.answered(pk)
		return nil
	case packets.Subscribe:
		return d.onSubscribe(ctx, pk)
	case packets.Unsubscribe:
		return d.onUnsubscribe(ctx, pk)
	case packets.Pingreq:
		_, err := c.send([]byte{packets.Pingresp << 4, 0})
		return err
	case packets.Disconnect:
		return c.onDisconnect(pk)
	default:
		return packets.ErrProtocolViolation
	}
}

// onDisconnect takes the session's new expiry (MQTT 5.0, 3.14.2.2.2), and
// forgets the will unless the device wants it published.
func (c *conn) onDisconnect(pk *packets.Packet) error {
	if d := c.device.Load(); pk.Properties.SessionExpiryIntervalFlag {
		d.mu.Lock()
		had := d.expiry > 0
		if had {
			d.expiry = lasting(pk.Properties.SessionExpiryInterval)
		}
		d.mu.Unlock()
		if !had && pk.Properties.SessionExpiryInterval > 0 { // it cannot be given to a session that had none
			return packets.ErrProtocolViolationZeroNonZeroExpiry
		}
	}
	if pk.ReasonCode != packets.CodeDisconnectWillMessage.Code {
		c.will = nil
	}
	return errLeft
}

// end tells a device of MQTT 5 why its connection ends, and closes it. It may be
// called from any goroutine, more than once.
func (c *conn) end(code packets.Code) {
	if c.version() >= 5 && c.device.Load() != nil && !c.gone() {
		pk := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: code.Code}
		pk.Properties.ReasonString = code.Reason
		var b bytes.Buffer
		if pk.DisconnectEncode(&b) == nil {
			_, _ = c.write(b.Bytes(), farewellTime) // it is closed next
		}
	}
	_ = c.Close() // the reader notices
}

// farewellTime is what a device has to take its DISCONNECT.
const farewellTime = time.Second

// classify counts why a connection ended, and tells the device.
func (c *conn) classify(err error) {
	s := c.server
	var code packets.Code
	switch {
	case err == nil, errors.Is(err, errLeft), errors.Is(err, io.EOF):
	case errors.Is(err, errTooLarge):
		s.stats.refuse("too large")
		c.end(packets.ErrPacketTooLarge)
	case errors.Is(err, errNotConnect), errors.Is(err, errMalformed):
		s.stats.malformed.Add(1)
		c.end(packets.ErrMalformedPacket)
	case errors.As(err, &code):
		switch code.Code {
		case packets.ErrMalformedPacket.Code, packets.ErrProtocolViolation.Code, packets.ErrTopicAliasInvalid.Code:
			s.stats.malformed.Add(1)
		}
		c.end(code)
	}
	s.cfg.Log.Debug("connection ended", "client", c.name(), "remote", c.RemoteAddr(), "error", err)
}
