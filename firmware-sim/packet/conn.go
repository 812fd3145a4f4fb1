package packet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// What a connection bounds.
const (
	mostBody    = 1 << 20 // of a packet that comes in, in bytes
	mostWaiting = 4096    // messages that nobody took yet
)

// ErrLost says that the connection ended.
var ErrLost = errors.New("connection lost")

// Conn is one MQTT connection. It is safe for concurrent use.
type Conn struct {
	conn      net.Conn
	in        *bufio.Reader
	keepAlive time.Duration
	v5        bool
	Known     bool // the broker had a session of this client

	writing sync.Mutex

	mu       sync.Mutex
	id       uint16
	waiting  map[uint16]chan Raw // for the acknowledgement of an id
	messages []Message
	arrived  chan struct{} // a message came, one token
	lost     chan struct{} // closed when Run ends
}

// Open sends CONNECT over conn and waits for the answer. It closes conn when it
// answers an error: Refused, ErrMalformed or the connection's. Run must follow.
func Open(ctx context.Context, conn net.Conn, c Connect) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	m := &Conn{conn: conn, in: bufio.NewReaderSize(conn, 4096), keepAlive: time.Duration(c.KeepAlive) * time.Second, v5: c.V5,
		waiting: map[uint16]chan Raw{}, arrived: make(chan struct{}, 1), lost: make(chan struct{})}
	_, err := conn.Write(c.Append(nil))
	if err == nil {
		var answer Raw
		if answer, err = Read(m.in, mostBody); err == nil {
			m.Known, err = Accepted(answer)
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", errors.Join(ctx.Err(), err))
	}
	return m, nil
}

// Run reads, acknowledges and pings until the connection ends or ctx does,
// which ends it without a goodbye. The error says how it ended.
func (c *Conn) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	defer close(c.lost)
	defer c.conn.Close()
	for {
		if c.keepAlive > 0 {
			if err := c.conn.SetReadDeadline(time.Now().Add(c.keepAlive / 2)); err != nil {
				return err
			}
		}
		if _, err := c.in.Peek(1); err != nil {
			var slow net.Error
			if !errors.As(err, &slow) || !slow.Timeout() {
				return fmt.Errorf("%w: %w", ErrLost, err)
			}
			if err := c.write(Ping(nil)); err != nil {
				return err
			}
			continue
		}
		if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		r, err := Read(c.in, mostBody)
		if err == nil {
			err = c.take(r)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
}

func (c *Conn) take(r Raw) error {
	switch r.Type() {
	case PUBLISH:
		read := Published
		if c.v5 {
			read = Published5
		}
		m, err := read(r)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.messages = append(c.messages, m)
		full := len(c.messages) > mostWaiting
		c.mu.Unlock()
		if full {
			return errors.New("messages that nobody takes")
		}
		select {
		case c.arrived <- struct{}{}:
		default:
		}
		if m.QoS == 1 {
			return c.write(Ack(nil, PUBACK, m.ID))
		}
	case PUBACK, SUBACK:
		c.mu.Lock()
		wait := c.waiting[r.ID()]
		delete(c.waiting, r.ID())
		c.mu.Unlock()
		if wait != nil {
			wait <- r
		}
	}
	return nil
}

// Next waits for a message. ErrLost when the connection ended and all were taken.
func (c *Conn) Next(ctx context.Context) (Message, error) {
	for {
		c.mu.Lock()
		if len(c.messages) > 0 {
			m := c.messages[0]
			c.messages = c.messages[1:]
			c.mu.Unlock()
			return m, nil
		}
		c.mu.Unlock()
		select {
		case <-c.arrived:
		case <-c.lost:
			return Message{}, ErrLost
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Publish sends a message; at QoS 1 it waits until it is acknowledged.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	if m.QoS == 0 {
		return c.write(m.append(nil, c.v5))
	}
	answer, err := c.ask(ctx, func(id uint16) []byte { m.ID = id; return m.append(nil, c.v5) })
	if err == nil && len(answer.Body) > 2 && answer.Body[2] >= 0x80 {
		err = Refused(answer.Body[2])
	}
	return err
}

// Subscribe subscribes to filters at QoS 1 and waits; a filter that is refused is an error.
func (c *Conn) Subscribe(ctx context.Context, filters ...string) error {
	answer, err := c.ask(ctx, func(id uint16) []byte { return Subscribe(nil, id, c.v5, filters...) })
	if err != nil {
		return err
	}
	codes := answer.Body[min(2, len(answer.Body)):]
	if c.v5 {
		if codes, err = cutProperties(codes, func(byte, []byte) {}); err != nil {
			return err
		}
	}
	for i, f := range filters {
		if len(codes) <= i || codes[i] > 2 {
			return fmt.Errorf("subscribe to %s: refused", f)
		}
	}
	return nil
}

// ask sends a packet under an id of its own and waits for what answers it.
func (c *Conn) ask(ctx context.Context, encode func(id uint16) []byte) (Raw, error) {
	wait := make(chan Raw, 1)
	c.mu.Lock()
	for c.id++; c.id == 0 || c.waiting[c.id] != nil; c.id++ {
	}
	id := c.id
	c.waiting[id] = wait
	c.mu.Unlock()
	if err := c.write(encode(id)); err != nil {
		return Raw{}, err
	}
	select {
	case r := <-wait:
		return r, nil
	case <-c.lost:
		return Raw{}, ErrLost
	case <-ctx.Done():
		return Raw{}, ctx.Err()
	}
}

func (c *Conn) write(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

// Close says goodbye, so that no will is sent, and ends the connection. An
// error says that the goodbye could not be sent.
func (c *Conn) Close() error {
	defer c.conn.Close() // Run may have done so, if the broker was quicker
	return c.write(Goodbye(nil))
}

// Drop ends the connection without a word.
func (c *Conn) Drop() { c.conn.Close() }
