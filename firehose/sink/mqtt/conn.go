package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"headgate/firehose"
)

// mostPacket is the longest packet that a broker may send us: it answers, and
// publishes nothing.
const mostPacket = 64 << 10

var (
	errLong   = errors.New("the broker sends a packet that is too long")
	errPacket = errors.New("the broker sends a packet that answers nothing")
)

// conn is a connection that the broker has accepted. One goroutine at a time
// uses it. It needs no reader of its own: the answers to a load are so short
// that they wait in the socket until the load is written.
type conn struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer

	window   int  // messages of QoS 1 and 2 that may wait for an answer
	packet   int  // bytes of the longest packet that the broker takes; zero: any
	qos      byte // highest
	retain   bool // the broker retains
	scratch  bytes.Buffer
	patience time.Duration // for one answer
}

// open connects to one broker. It answers a reason when that refuses us.
func (c *Config) open(ctx context.Context, u *url.URL) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	raw, err := dial(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "mqtts" {
		secure := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.TLS != nil {
			secure = c.TLS.Clone()
		}
		if secure.ServerName == "" {
			secure.ServerName = u.Hostname()
		}
		raw = tls.Client(raw, secure)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	o := &conn{Conn: raw, r: bufio.NewReader(raw), w: bufio.NewWriterSize(raw, 64<<10), window: mostRecords, patience: answerTime, retain: true, qos: 2}
	if err := o.connect(c); err != nil || !stop() {
		raw.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	return o, nil
}

// connect says who we are and reads what the broker allows. The session is
// empty: what was not answered is sent anew, by whoever delivers it.
func (o *conn) connect(c *Config) error {
	most := uint32(mostPacket)
	hello := packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.ClientID, CleanStart: true, KeepAlive: uint16(keepAlive / time.Second),
		Username: c.User, UsernameFlag: c.User != "", Password: []byte(c.Password), PasswordFlag: c.Password != "",
		Properties: &packets.Properties{MaximumPacketSize: &most}}
	if _, err := hello.WriteTo(o.w); err != nil {
		return err
	}
	if err := o.w.Flush(); err != nil {
		if _, why := o.r.Peek(1); class(why) == firehose.Auth {
			return why // with TLS 1.3 a broker that wants another certificate says so after the handshake
		}
		return err
	}
	if head, err := o.r.Peek(2); err == nil && head[0]>>4 == packets.CONNACK && head[1] == 2 { // no properties: it speaks 3.1.1
		return reason{packets.ConnackUnsupportedProtocolVersion, "it does not speak MQTT 5"}
	}
	p, err := o.read()
	if err != nil {
		return err
	}
	ack, ok := p.Content.(*packets.Connack)
	if !ok {
		return errPacket
	}
	if ack.ReasonCode >= firstFault {
		return reason{ack.ReasonCode, or(ack.Properties.ReasonString, ack.Reason())}
	}
	if n := ack.Properties.ReceiveMaximum; n != nil && *n > 0 {
		o.window = int(*n)
	}
	if n := ack.Properties.MaximumQOS; n != nil {
		o.qos = *n
	}
	if n := ack.Properties.RetainAvailable; n != nil {
		o.retain = *n != 0
	}
	if n := ack.Properties.MaximumPacketSize; n != nil {
		o.packet = int(*n)
	}
	if n := ack.Properties.ServerKeepAlive; n != nil && *n > 0 {
		o.patience = min(o.patience, time.Duration(*n)*time.Second)
	}
	if c.QoS > o.qos {
		return reason{packets.ConnackQoSNotSupported, fmt.Sprintf("it takes QoS up to %d", o.qos)}
	}
	return nil
}

// close says goodbye.
func (o *conn) close() {
	_ = o.SetDeadline(time.Now().Add(time.Second)) // a broker that hears nothing learns it from the socket
	if _, err := (&packets.Disconnect{Properties: &packets.Properties{}}).WriteTo(o.w); err == nil {
		_ = o.w.Flush()
	}
	o.Close()
}

// publish sends what is not answered, in order, until all of it is. The
// packet id of a message is its place, from 1.
func (o *conn) publish(ctx context.Context, all load) error {
	defer context.AfterFunc(ctx, func() { o.Close() })()
	next, waiting := 0, 0
	for left := all.unanswered(); left > 0; {
		for ; next < len(all) && waiting < o.window; next++ {
			m := &all[next]
			if m.answered {
				continue
			}
			if err := o.send(m, uint16(next+1)); err != nil {
				return err
			}
			switch {
			case m.answered:
				left--
			case m.packet.QoS > 0:
				waiting++
			}
		}
		if waiting == 0 && left > 0 {
			return o.settle(all)
		}
		n, err := o.answers(all, waiting)
		if err != nil {
			return err
		}
		waiting, left = waiting-n, left-n
	}
	return nil
}

// send writes one message. One that is too long for the broker is answered.
func (o *conn) send(m *message, id uint16) error {
	p := m.packet
	p.PacketID, p.Retain = id, p.Retain && o.retain
	o.scratch.Reset()
	if _, err := p.WriteTo(&o.scratch); err != nil {
		return err
	}
	if o.packet > 0 && o.scratch.Len() > o.packet {
		m.answer(reason{packets.ConnackPacketTooLarge, fmt.Sprintf("it takes packets of %d bytes", o.packet)})
		return nil
	}
	if err := o.SetWriteDeadline(time.Now().Add(o.patience)); err != nil {
		return err
	}
	_, err := o.w.Write(o.scratch.Bytes())
	return err
}

// settle sees messages of QoS 0 off: a broker that answers a ping behind them
// has read them.
func (o *conn) settle(all load) error {
	if _, err := o.w.Write([]byte{packets.PINGREQ << 4, 0}); err != nil {
		return err
	}
	p, err := o.read()
	if err != nil {
		return err
	}
	if p.Type != packets.PINGRESP {
		return refusal(p)
	}
	for i := range all {
		if !all[i].answered {
			all[i].answer(reason{})
		}
	}
	return nil
}

// answers reads one packet if any is waited for, and those that came with it.
// It tells how many messages they answer for good.
func (o *conn) answers(all load, waiting int) (n int, err error) {
	for n < waiting && (n == 0 || o.r.Buffered() > 0) {
		p, err := o.read()
		if err != nil {
			return n, err
		}
		id := int(p.PacketID())
		if id == 0 || id > len(all) || all[id-1].answered {
			return n, refusal(p)
		}
		m := &all[id-1]
		switch a := p.Content.(type) {
		case *packets.Puback:
			m.answer(reason{a.ReasonCode, or(a.Properties.ReasonString, a.Reason())})
		case *packets.Pubcomp: // whatever it says, the broker has had the message since PUBREC
			m.answer(reason{})
		case *packets.Pubrec:
			if a.ReasonCode < firstFault {
				if _, err := o.w.Write([]byte{packets.PUBREL<<4 | 2, 2, byte(id >> 8), byte(id)}); err != nil {
					return n, err
				}
				continue
			}
			m.answer(reason{a.ReasonCode, or(a.Properties.ReasonString, a.Reason())})
		default:
			return n, errPacket
		}
		n++
	}
	return n, nil
}

// refusal is what a packet means that answers no message.
func refusal(p *packets.ControlPacket) error {
	if d, ok := p.Content.(*packets.Disconnect); ok {
		return reason{d.ReasonCode, or(d.Properties.ReasonString, d.Reason())}
	}
	return errPacket
}

// read waits for one packet. What was written is sent unless one is there.
func (o *conn) read() (*packets.ControlPacket, error) {
	if err := o.SetDeadline(time.Now().Add(o.patience)); err != nil {
		return nil, err
	}
	if o.r.Buffered() == 0 {
		if err := o.w.Flush(); err != nil {
			return nil, err
		}
	}
	length := 0
	for n := 2; ; n++ {
		head, err := o.r.Peek(n)
		if err != nil {
			return nil, err
		}
		b := head[n-1]
		if length |= int(b&0x7f) << (7 * (n - 2)); length > mostPacket || n > 5 {
			return nil, errLong
		}
		if b < 0x80 {
			return packets.ReadPacket(o.r)
		}
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
