package fault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/packet"
)

// Dial opens the connection of one device, as a fleet wants it.
type Dial = func(ctx context.Context, id device.ID, address string) (net.Conn, error)

// What faults are made of.
const (
	slowFor      = 2 * time.Second
	slowPause    = 20 * time.Millisecond
	slowBytes    = 64
	oversize     = 4 << 20
	twinPatience = 5 * time.Second
)

// errCut is what the device hears of a connection that was cut.
var errCut = errors.New("connection cut by a fault")

// Dial breaks the connections that next opens.
func (i *Injector) Dial(next Dial) Dial {
	return func(ctx context.Context, id device.ID, address string) (net.Conn, error) {
		under, err := next(ctx, id, address)
		if err != nil {
			return nil, err
		}
		return i.Wrap(under, func() (net.Conn, error) {
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), twinPatience)
			defer stop()
			return next(ctx, id, address)
		}), nil
	}
}

// Wrap breaks one connection. again opens another one of the same device.
func (i *Injector) Wrap(under net.Conn, again func() (net.Conn, error)) net.Conn {
	return &conn{Conn: under, in: i, again: again, random: rand.New(rand.NewPCG(i.seed, i.conns.Add(1))), acks: map[uint16][]uint16{}}
}

// conn is a connection between a device and a broker. One goroutine at a time
// writes, one reads.
type conn struct {
	net.Conn
	in    *Injector
	again func() (net.Conn, error)

	// Owned by Write.
	random  *rand.Rand
	sending []byte // the beginning of a packet
	connect []byte // the CONNECT of this connection
	v5      bool

	// Owned by Read.
	incoming []byte // the beginning of a packet
	ready    []byte // for the device

	mu    sync.Mutex
	acks  map[uint16][]uint16 // by packet id on the wire: whose acknowledgements are awaited, in order; 0: nobody's
	mute  bool                // nothing goes out
	deaf  bool                // nothing comes in
	until time.Time           // reads are slow
}

// Write takes bytes of packets, and breaks some of them.
func (c *conn) Write(p []byte) (int, error) {
	c.sending = append(c.sending, p...)
	var out []byte
	for {
		n := packetLen(c.sending)
		if n == 0 {
			break
		}
		one := bytes.Clone(c.sending[:n])
		c.sending = c.sending[n:]
		var err error
		if out, err = c.send(out, one); err != nil {
			return 0, err
		}
	}
	return len(p), c.pass(out)
}

// pass writes what was gathered, unless the device is mute.
func (c *conn) pass(out []byte) error {
	c.mu.Lock()
	mute := c.mute
	c.mu.Unlock()
	if mute || len(out) == 0 {
		return nil
	}
	_, err := c.Conn.Write(out)
	return err
}

// packetLen is how long the first packet of b is, 0 when it is not whole.
func packetLen(b []byte) int {
	length, shift := 0, 0
	for i := 1; i < len(b) && i <= 4; i++ {
		length |= int(b[i]&0x7f) << shift
		shift += 7
		if b[i] < 0x80 {
			if n := 1 + i + length; n <= len(b) {
				return n
			}
			return 0
		}
	}
	return 0
}

// happens draws whether a fault happens now, and counts it.
func (c *conn) happens(n Name) bool {
	chance := c.in.plan[n]
	if chance == 0 || c.random.Float64() >= chance {
		return false
	}
	c.in.Count(n)
	return true
}

// send appends a packet of the device to out, broken or not.
func (c *conn) send(out, one []byte) ([]byte, error) {
	r, err := packet.Read(bufio.NewReader(bytes.NewReader(one)), packet.Most)
	if err != nil {
		return out, err
	}
	switch r.Type() {
	case packet.CONNECT:
		c.connect = one
		c.v5 = len(r.Body) > 6 && r.Body[6] == 5
	case packet.PUBLISH:
		if m, err := packet.Published(r); err == nil && m.QoS > 0 {
			return c.publish(out, r, m)
		}
	}
	return append(out, one...), nil
}

// publish is send for a PUBLISH that is acknowledged. m's payload begins with
// the properties where there are any, and is part of r.
func (c *conn) publish(out []byte, r packet.Raw, m packet.Message) ([]byte, error) {
	if c.happens(Corrupt) && len(m.Payload) > 0 {
		m.Payload[len(m.Payload)/2] ^= 1
	}
	if c.happens(Oversize) {
		large := packet.Message{Topic: m.Topic, Payload: make([]byte, oversize)} // an MQTT 5 packet too: no properties are one zero
		out = large.Append(out)
	}
	wire := m.ID
	if m.QoS == 1 {
		if other := c.unanswered(m.ID); other != 0 && c.happens(Reuse) {
			wire = other
			at := 2 + len(m.Topic)
			r.Body[at], r.Body[at+1] = byte(wire>>8), byte(wire)
		}
	}
	if c.happens(Cut) {
		whole := r.Append(nil)
		if err := c.pass(append(out, whole[:len(whole)/2]...)); err != nil {
			return nil, err
		}
		abort(c.Conn)
		return nil, errCut
	}
	out = r.Append(out)
	if wire == m.ID && c.happens(Dup) {
		c.await(wire, 0)
		again := r
		again.Head |= 8
		out = again.Append(out)
	}
	c.await(wire, m.ID)
	err := c.connection(&out)
	return out, err
}

// connection draws the faults of the connection as a whole. Twin needs what was
// gathered to be on its way.
func (c *conn) connection(out *[]byte) error {
	half, silent := c.happens(HalfOpen), c.happens(Silence)
	c.mu.Lock()
	c.mute = c.mute || half || silent
	c.deaf = c.deaf || half
	if c.happens(Slow) {
		c.until = time.Now().Add(slowFor)
	}
	c.mu.Unlock()
	if c.connect == nil || !c.happens(Twin) {
		return nil
	}
	err := c.pass(*out)
	*out = (*out)[:0]
	if err == nil {
		c.twin()
	}
	return err
}

// twin connects once more under the same client id. The broker has to end one
// of the two connections.
func (c *conn) twin() {
	other, err := c.again()
	if err != nil {
		return // the broker may be away
	}
	defer other.Close()
	if other.SetDeadline(time.Now().Add(twinPatience)) != nil {
		return
	}
	if _, err := other.Write(c.connect); err == nil {
		_, _ = packet.Read(bufio.NewReader(other), packet.Most)
	}
}

// unanswered is another packet id that waits for its acknowledgement, 0 for none.
func (c *conn) unanswered(but uint16) uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.acks {
		if id != but {
			return id
		}
	}
	return 0
}

// await notes that the next acknowledgement of a packet id on the wire is for
// the device's id, or for nobody.
func (c *conn) await(wire, id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks[wire] = append(c.acks[wire], id)
}

// Read gives the device what the broker sends, acknowledgements under the ids
// that the device knows.
func (c *conn) Read(p []byte) (int, error) {
	var room [4096]byte
	for len(c.ready) == 0 {
		most := len(room)
		c.mu.Lock()
		slow, deaf := time.Now().Before(c.until), c.deaf
		c.mu.Unlock()
		if slow {
			most = slowBytes
			time.Sleep(slowPause)
		}
		n, err := c.Conn.Read(room[:most])
		if deaf {
			n = 0
			if errors.Is(err, io.EOF) { // a half-open connection has no end either
				err = errors.New("no answer")
			}
		}
		c.incoming = append(c.incoming, room[:n]...)
		for {
			n := packetLen(c.incoming)
			if n == 0 {
				break
			}
			c.receive(c.incoming[:n])
			c.incoming = c.incoming[n:]
		}
		if err != nil && len(c.ready) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// receive passes a packet of the broker on.
func (c *conn) receive(one []byte) {
	if kind := one[0] >> 4; (kind == packet.PUBACK || kind == packet.PUBREC) && len(one) >= 4 { // of less than 128 bytes, as brokers write them
		wire := uint16(one[2])<<8 | uint16(one[3])
		c.mu.Lock()
		waiting := c.acks[wire]
		id := wire
		if len(waiting) > 0 {
			id = waiting[0]
			c.acks[wire] = waiting[1:]
			if len(waiting) == 1 {
				delete(c.acks, wire)
			}
		}
		c.mu.Unlock()
		if id == 0 {
			return
		}
		at := len(c.ready)
		c.ready = append(c.ready, one...)
		c.ready[at+2], c.ready[at+3] = byte(id>>8), byte(id)
		return
	}
	c.ready = append(c.ready, one...)
}

// abort resets a connection, whatever is on its way.
func abort(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	conn.Close()
}
