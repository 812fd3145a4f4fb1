// Package receiver is a device that is sent messages: it subscribes once, in a
// session that lasts, answers each message as MQTT wants it and moves between
// brokers. It keeps the packet ids of QoS 2 over connections, so that a broker
// that repeats a message under its id gives it once. It knows nothing of what
// the messages say.
package receiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Config says what receiver to run. All fields are needed.
type Config struct {
	Brokers []string // host:port; it goes on to the next when one fails it
	Client  string
	Version int // of MQTT: 3 (3.1.1) or 5
	Filter  string
	QoS     byte                            // the highest that it is to be sent with
	Take    func(topic string, data []byte) // called in order for each message, once for each of QoS 2; the bytes are its own
}

// Receiver is one. Make it with New, run it once.
type Receiver struct {
	conf Config
	conn atomic.Pointer[net.Conn] // the last one

	subscribed                  atomic.Bool
	connects, forgotten, copies atomic.Int64

	// Owned by Run.
	received map[uint16]bool // packet ids of QoS 2 that were taken and not released
	at       int             // which broker is next
	granted  bool            // the subscription was, in this session
}

// New makes a receiver; nothing runs yet.
func New(c Config) (*Receiver, error) {
	if len(c.Brokers) == 0 || c.Version != 3 && c.Version != 5 || c.QoS > 2 || c.Take == nil {
		return nil, errors.New("a receiver needs brokers, version 3 or 5, QoS 0 to 2, and who takes its messages")
	}
	return &Receiver{conf: c, received: map[uint16]bool{}}, nil
}

// Stats is what a receiver saw. It may be asked for at any time.
type Stats struct {
	Subscribed bool
	Connects   int64
	Forgotten  int64 // connects at which the broker knew no session though there was one
	Copies     int64 // messages of QoS 2 that came again under their ids, and were not taken again
}

// Stats says what the receiver saw.
func (r *Receiver) Stats() Stats {
	return Stats{Subscribed: r.subscribed.Load(), Connects: r.connects.Load(), Forgotten: r.forgotten.Load(), Copies: r.copies.Load()}
}

// Move breaks the connection, for the next broker.
func (r *Receiver) Move() {
	if conn := r.conn.Load(); conn != nil {
		(*conn).Close()
	}
}

const (
	patience  = 10 * time.Second // for an answer of the broker
	keepAlive = 30               // seconds; a PINGREQ goes out at a quarter of it
	pauseMost = 300 * time.Millisecond
)

// Run receives until ctx ends. That brokers fail is no error, that one breaks
// the protocol is.
func (r *Receiver) Run(ctx context.Context) error {
	for ; ctx.Err() == nil; r.at++ {
		if err := r.serve(ctx, r.conf.Brokers[r.at%len(r.conf.Brokers)]); errors.Is(err, errProtocol) {
			return fmt.Errorf("%s: %w", r.conf.Client, err)
		}
		select {
		case <-time.After(rand.N(pauseMost)):
		case <-ctx.Done():
		}
	}
	return nil
}

// errProtocol says that a broker did what MQTT forbids.
var errProtocol = errors.New("protocol error of the broker")

// serve is one connection: it answers what comes, until something fails.
func (r *Receiver) serve(ctx context.Context, broker string) error {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", broker)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r.conn.Store(&conn)
	c := codec(codec3{})
	if r.conf.Version == 5 {
		c = codec5{}
	}
	if err := c.connect(conn, r.conf.Client); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for first, quiet := true, 0; ; first = false {
		_ = conn.SetReadDeadline(time.Now().Add(keepAlive / 4 * time.Second)) // reading shows it
		if _, err := in.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) && quiet < 3 && !first {
			quiet++
			if err := c.answer(conn, ping, 0); err != nil {
				return err
			}
			continue
		}
		quiet = 0
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		p, err := c.read(in)
		if err != nil {
			return err
		}
		if first != (p.kind == connack) {
			return fmt.Errorf("packet %d is not for now: %w", p.kind, errProtocol)
		}
		if err := r.take(conn, c, p); err != nil {
			return err
		}
	}
}

// take does with a packet what MQTT wants of who receives.
func (r *Receiver) take(conn io.Writer, c codec, p packet) error {
	switch p.kind {
	case connack:
		return r.begun(conn, c, p)
	case suback:
		if p.code >= 0x80 {
			return fmt.Errorf("the subscription is refused with 0x%02x: %w", p.code, errProtocol)
		}
		r.granted = true
		r.subscribed.Store(true)
	case publish:
		return r.message(conn, c, p)
	case pubrel:
		delete(r.received, p.id)
		return c.answer(conn, pubcomp, p.id)
	}
	return nil
}

// begun takes up the session, or begins one.
func (r *Receiver) begun(conn io.Writer, c codec, p packet) error {
	if p.code != 0 {
		return fmt.Errorf("connect: 0x%02x", p.code)
	}
	r.connects.Add(1)
	if !p.present {
		if r.granted {
			r.forgotten.Add(1)
		}
		clear(r.received)
		r.granted = false
	}
	if r.granted {
		return nil
	}
	return c.subscribe(conn, r.conf.Filter, r.conf.QoS)
}

// message takes a PUBLISH: of QoS 2 once, until its id is released.
func (r *Receiver) message(conn io.Writer, c codec, p packet) error {
	switch p.qos {
	case 0:
		r.conf.Take(p.topic, p.payload)
		return nil
	case 1:
		r.conf.Take(p.topic, p.payload)
		return c.answer(conn, puback, p.id)
	}
	if r.received[p.id] {
		r.copies.Add(1)
	} else {
		r.received[p.id] = true
		r.conf.Take(p.topic, p.payload)
	}
	return c.answer(conn, pubrec, p.id)
}
