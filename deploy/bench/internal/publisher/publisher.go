// Package publisher is an MQTT 3.1.1 client that publishes QoS 1 or 2 messages
// with many in flight and takes as little CPU as it can, so that a benchmark
// measures the broker. It does not send a message again.
package publisher

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Client is one connection. Publish and Flush are called by one goroutine.
type Client struct {
	conn net.Conn
	qos  byte
	free chan uint16 // packet ids that are not in flight
	sent []time.Time // by packet id
	done chan error  // how reading ended, once
	mark func(time.Duration)

	mu  sync.Mutex
	out *bufio.Writer // guarded by mu
}

// Dial connects with a clean session, for messages of QoS 1. At most window
// messages, 1 to 65,535, are in flight. Mark, when not nil, is called for each acknowledgement with
// the time it took, by the goroutine that reads.
func Dial(address, id string, window int, mark func(time.Duration)) (*Client, error) {
	return DialQoS(address, id, 1, window, mark)
}

// DialQoS is Dial for messages of QoS 1 or 2. Those of QoS 2 are acknowledged
// with PUBCOMP.
func DialQoS(address, id string, qos byte, window int, mark func(time.Duration)) (*Client, error) {
	c := &Client{qos: qos, free: make(chan uint16, window), sent: make([]time.Time, window+1), done: make(chan error, 1), mark: mark}
	var err error
	if c.conn, err = connect(address, id, true); err != nil {
		return nil, err
	}
	c.out = bufio.NewWriterSize(c.conn, min(64<<10, 256*window))
	for i := range window {
		c.free <- uint16(i + 1)
	}
	go func() { c.done <- c.read() }() // Close waits for it
	return c, nil
}

func connect(address, id string, clean bool) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	flags := byte(0)
	if clean {
		flags = 2
	}
	p := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 0}, byte(len(id)>>8), byte(len(id)))
	p = append(p, id...)
	var answer [4]byte
	_, err = conn.Write(append([]byte{0x10, byte(len(p))}, p...))
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && (answer[0] != 0x20 || answer[3] != 0) {
		err = fmt.Errorf("the broker refused with %x", answer)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), conn.Close())
	}
	return conn, nil
}

// Subscribe leaves a durable subscription behind whose client is away:
// brokers that keep messages only for subscribers then keep all of them.
func Subscribe(address, id string, qos byte, filter string) error {
	conn, err := connect(address, id, false)
	if err != nil {
		return err
	}
	p := append([]byte{0, 1, 0, byte(len(filter))}, filter...)
	p = append(p, qos)
	var answer [5]byte
	if _, err = conn.Write(append([]byte{0x82, byte(len(p))}, p...)); err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && (answer[0] != 0x90 || answer[4] > 2) {
		err = fmt.Errorf("the broker answered %x", answer)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), conn.Close())
	}
	_, err = conn.Write([]byte{0xe0, 0})
	return errors.Join(err, conn.Close())
}

// Publish sends one message, in time at the latest with the next Flush. It
// waits, after flushing, while the window is full.
func (c *Client) Publish(topic string, payload []byte) error {
	var id uint16
	select {
	case id = <-c.free:
	default:
		if err := c.Flush(); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		select {
		case id = <-c.free:
		case err := <-c.done:
			c.done <- err
			return fmt.Errorf("publish: %w", err)
		}
	}
	c.sent[id] = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	head := append(c.out.AvailableBuffer(), 0x30|c.qos<<1)
	head = binary.AppendUvarint(head, uint64(4+len(topic)+len(payload))) // MQTT's lengths are the same as these up to 2^28
	head = append(head, byte(len(topic)>>8), byte(len(topic)))
	head = append(head, topic...)
	head = append(head, byte(id>>8), byte(id))
	if _, err := c.out.Write(head); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if _, err := c.out.Write(payload); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// Flush sends what Publish kept back.
func (c *Client) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

// Drain flushes and waits until everything is acknowledged.
func (c *Client) Drain() error {
	if err := c.Flush(); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	late := time.After(time.Minute)
	for taken := 0; taken < cap(c.free); taken++ {
		select {
		case <-c.free:
		case err := <-c.done:
			c.done <- err
			return fmt.Errorf("drain: %w", err)
		case <-late:
			return fmt.Errorf("drain: %d messages are unanswered after a minute", cap(c.free)-taken)
		}
	}
	for i := range cap(c.free) {
		c.free <- uint16(i + 1)
	}
	return nil
}

func (c *Client) read() error {
	last := byte(0x40) // PUBACK
	if c.qos == 2 {
		last = 0x70 // PUBCOMP
	}
	in := bufio.NewReaderSize(c.conn, min(32<<10, 64*cap(c.free)))
	for {
		if c.qos == 2 && in.Buffered() < 4 {
			if err := c.Flush(); err != nil { // PUBRELs
				return err
			}
		}
		p, err := in.Peek(4)
		if err != nil {
			return err
		}
		id := binary.BigEndian.Uint16(p[2:])
		if c.qos == 2 && p[0] == 0x50 && p[1] == 2 {
			if err := c.release(id); err != nil {
				return err
			}
			if _, err := in.Discard(4); err != nil {
				return err
			}
			continue
		}
		if p[0] != last || p[1] != 2 || int(id) >= len(c.sent) {
			return fmt.Errorf("the broker sent %x, not an acknowledgement", p)
		}
		if c.mark != nil {
			c.mark(time.Since(c.sent[id]))
		}
		if _, err := in.Discard(4); err != nil {
			return err
		}
		c.free <- id
	}
}

// release answers a PUBREC.
func (c *Client) release(id uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.out.Write([]byte{0x62, 2, byte(id >> 8), byte(id)})
	return err
}

// Close ends the connection.
func (c *Client) Close() {
	_, _ = c.conn.Write([]byte{0xe0, 0})
	_ = c.conn.Close()
	<-c.done
}
