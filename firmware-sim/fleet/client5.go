package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/log"
	"github.com/eclipse/paho.golang/paho/session"
)

// client5 speaks MQTT 5, by paho.golang. It is that library's session manager
// too, over the device's window: its own state has no way to say what was
// acknowledged, and keeps each message a second time.
type client5 struct {
	node *node
	link *link
	paho *paho.Client
	lose sync.Once // closes link.lost

	mu   sync.Mutex
	conn io.Writer // nil: not connected
}

var _ session.SessionManager = (*client5)(nil)

func (n *node) client5(l *link) *client5 { return &client5{node: n, link: l} }

func (c *client5) connect(ctx context.Context, clean bool) (bool, error) {
	conf := &c.node.fleet.conf
	c.paho = paho.NewClient(paho.ClientConfig{
		Conn: &wholes{wire: c.link.wire}, Session: c, PacketTimeout: 30 * time.Second,
		OnClientError: func(error) { c.lose.Do(func() { close(c.link.lost) }) },
	})
	forever := uint32(math.MaxUint32)
	p := &paho.Connect{ClientID: c.node.name, CleanStart: clean, KeepAlive: uint16(conf.KeepAlive.Seconds()),
		Username: conf.Username, UsernameFlag: conf.Username != "", Password: []byte(conf.Password), PasswordFlag: conf.Password != ""}
	if !clean {
		p.Properties = &paho.ConnectProperties{SessionExpiryInterval: &forever}
	}
	ack, err := c.paho.Connect(ctx, p)
	if err != nil {
		if ack != nil && (ack.ReasonCode == packets.ConnackNotAuthorized || ack.ReasonCode == packets.ConnackBadUsernameOrPassword) {
			return false, ErrRefused
		}
		return false, err
	}
	return ack.SessionPresent, nil
}

func (c *client5) publish(topic string, qos byte, data []byte) error {
	_, err := c.paho.PublishWithOptions(context.Background(), &paho.Publish{Topic: topic, QoS: qos, Payload: data},
		paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
	return err
}

func (c *client5) disconnect() { _ = c.paho.Disconnect(&paho.Disconnect{}) } // it is left anyway

// The methods below are paho's SessionManager.

// ConAckReceived repeats what the window holds, in order, as 4.4 demands.
func (c *client5) ConAckReceived(w io.Writer, _ *packets.Connect, ack *packets.Connack) error {
	c.mu.Lock()
	c.conn = w
	c.mu.Unlock()
	limit := uint16(math.MaxUint16)
	if ack.Properties != nil && ack.Properties.ReceiveMaximum != nil {
		limit = *ack.Properties.ReceiveMaximum
	}
	c.node.window.limit(int(limit))
	for _, f := range c.node.window.all() {
		var p io.WriterTo = f.packet5
		if f.released {
			p = &packets.Pubrel{PacketID: f.packet5.PacketID}
		} else {
			f.packet5.Duplicate = true
		}
		if _, err := p.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

// ConnectionLost forgets the connection; the window stays.
func (c *client5) ConnectionLost(*packets.Disconnect) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
	return nil
}

// AddToSession takes the announced message under a packet id that is free.
func (c *client5) AddToSession(_ context.Context, p session.Packet, _ chan<- packets.ControlPacket) error {
	publish, ok := p.(*packets.Publish)
	if !ok {
		return fmt.Errorf("a device sends nothing of type %d", p.Type())
	}
	id, ok := c.node.window.free()
	if !ok {
		return session.ErrPacketIdentifiersExhausted
	}
	p.SetIdentifier(id)
	c.node.window.take(id, func(f *flight) { f.packet5 = publish })
	return nil
}

// PacketReceived does with a packet what MQTT wants of a sender. A broker that
// refuses a message loses the connection, and gets it again with the next.
func (c *client5) PacketReceived(p *packets.ControlPacket, _ chan<- *packets.Publish) error {
	switch a := p.Content.(type) {
	case *packets.Puback:
		return c.done(a.PacketID, a.ReasonCode)
	case *packets.Pubrec:
		if a.ReasonCode >= 0x80 {
			return c.refused(a.ReasonCode)
		}
		c.node.window.release(a.PacketID)
		c.mu.Lock()
		conn := c.conn
		c.mu.Unlock()
		if conn == nil {
			return session.ErrNoConnection
		}
		_, err := (&packets.Pubrel{PacketID: a.PacketID}).WriteTo(conn)
		return err
	case *packets.Pubcomp: // with whatever reason: the broker has released it
		return c.done(a.PacketID, 0)
	}
	return nil
}

func (c *client5) done(id uint16, reason byte) error {
	if reason >= 0x80 {
		return c.refused(reason)
	}
	c.node.window.done(id)
	return nil
}

func (c *client5) refused(reason byte) error {
	err := fmt.Errorf("a message was refused with 0x%02x", reason)
	c.node.fleet.count.fail(err)
	c.link.wire.kill()
	return err
}

// Ack is for messages from the broker; a device of the fleet subscribes to nothing.
func (c *client5) Ack(*packets.Publish) error { return errors.New("nothing was subscribed to") }

// Close does nothing: the window is open for the device's life.
func (c *client5) Close() error { return nil }

// SetErrorLogger does nothing.
func (c *client5) SetErrorLogger(log.Logger) {}

// SetDebugLogger does nothing.
func (c *client5) SetDebugLogger(log.Logger) {}

// wholes is a wire that paho.golang, which writes packets in parts between
// Lock and Unlock, gives whole packets to.
type wholes struct {
	*wire
	mu     sync.Mutex
	packet []byte
}

// Lock begins a packet.
func (w *wholes) Lock() { w.mu.Lock() }

// Write takes a part of it.
func (w *wholes) Write(p []byte) (int, error) {
	w.packet = append(w.packet, p...)
	return len(p), nil
}

// Unlock ends it. A wire that is no good any more shows when it is read.
func (w *wholes) Unlock() {
	defer w.mu.Unlock()
	_, _ = w.wire.Write(w.packet)
	w.packet = w.packet[:0]
}
