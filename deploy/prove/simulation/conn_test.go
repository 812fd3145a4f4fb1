package simulation_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// half is one direction of a connection.
type half struct {
	net            *network
	from, to       int
	writer, reader *life

	mu       sync.Mutex
	cond     sync.Cond
	queue    []segment
	bytes    int
	last     time.Time // when the newest segment arrives
	eof      bool      // the writer has closed
	broken   bool      // reset
	silent   bool      // the writer is gone and nobody said so
	readBy   time.Time // deadlines; zero: none
	writeBy  time.Time
	readOver bool // the reader has closed
}

type segment struct {
	due   time.Time
	bytes []byte
}

const window = 256 << 10 // bytes in flight in one direction

func (n *network) half(from, to int, writer, reader *life) *half {
	h := &half{net: n, from: from, to: to, writer: writer, reader: reader}
	h.cond.L = &h.mu
	n.mu.Lock()
	n.ends[h] = struct{}{}
	n.mu.Unlock()
	return h
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cond.Broadcast()
}

func (h *half) set(edit func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	edit()
	h.cond.Broadcast()
}

func (h *half) reset() {
	h.set(func() { h.broken = true })
	h.forget()
}

func (h *half) silence() { h.set(func() { h.silent = true }) }

func (h *half) forget() {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	delete(h.net.ends, h)
}

// wait waits for a change or a moment. The caller holds mu.
func (h *half) wait(until time.Time) {
	if !until.IsZero() {
		t := time.AfterFunc(time.Until(until), h.wake)
		defer t.Stop()
	}
	h.cond.Wait()
}

var errReset net.Error = resetError{}

type resetError struct{}

func (resetError) Error() string   { return "connection reset" }
func (resetError) Timeout() bool   { return false }
func (resetError) Temporary() bool { return false }
func (resetError) Unwrap() error   { return syscall.ECONNRESET }

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		now := time.Now()
		open, _ := h.net.passes(h.from, h.to)
		var until time.Time
		switch {
		case h.readOver:
			return 0, net.ErrClosed
		case !h.readBy.IsZero() && !now.Before(h.readBy):
			return 0, os.ErrDeadlineExceeded
		case h.reader.isDead(), h.broken:
			return 0, errReset
		case len(h.queue) > 0 && open && !now.Before(h.queue[0].due):
			return h.take(p), nil
		case len(h.queue) > 0 && open:
			until = h.queue[0].due
		case len(h.queue) == 0 && h.eof && !h.silent && open:
			return 0, io.EOF
		}
		if !h.readBy.IsZero() && (until.IsZero() || h.readBy.Before(until)) {
			until = h.readBy
		}
		h.wait(until)
	}
}

// take moves bytes of the first segment. The caller holds mu.
func (h *half) take(p []byte) int {
	s := &h.queue[0]
	n := copy(p, s.bytes)
	if s.bytes = s.bytes[n:]; len(s.bytes) == 0 {
		h.queue = h.queue[1:]
	}
	h.bytes -= n
	h.cond.Broadcast()
	return n
}

func (h *half) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.eof:
			return 0, net.ErrClosed
		case !h.writeBy.IsZero() && !time.Now().Before(h.writeBy):
			return 0, os.ErrDeadlineExceeded
		case h.writer.isDead(), h.broken, h.readOver:
			return 0, errReset
		case h.bytes < window:
			due := time.Now().Add(h.net.delay())
			if due.Before(h.last) {
				due = h.last // a connection keeps its order
			}
			h.last = due
			h.queue = append(h.queue, segment{due, append([]byte(nil), p...)})
			h.bytes += len(p)
			h.cond.Broadcast()
			return len(p), nil
		}
		h.wait(h.writeBy)
	}
}

// conn is one end of a connection.
type conn struct {
	in, out *half
	once    sync.Once
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.set(func() { c.out.eof = true })
		c.in.set(func() { c.in.readOver = true })
		c.in.forget()
		if c.out.ended() {
			c.out.forget()
		}
	})
	return nil
}

func (h *half) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.readOver || h.broken
}

func (c *conn) LocalAddr() net.Addr  { return address(c.out.from) }
func (c *conn) RemoteAddr() net.Addr { return address(c.out.to) }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.set(func() { c.in.readBy = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.set(func() { c.out.writeBy = t })
	return nil
}

// connect makes a connection from one life to another.
func (n *network) connect(from, to *life) (near, far *conn) {
	there := n.half(from.host(), to.host(), from, to)
	back := n.half(to.host(), from.host(), to, from)
	return &conn{in: back, out: there}, &conn{in: there, out: back}
}

var errRefused = errors.New("connection refused")

// dial reaches whoever lives at a host, in the time of a round trip.
func (n *network) dial(ctx context.Context, from *life, to int) (net.Conn, error) {
	if err := n.travel(ctx, from.host(), to); err != nil {
		return nil, err
	}
	there, _ := n.home(to)
	if err := n.travel(ctx, to, from.host()); err != nil {
		return nil, err
	}
	if there == nil || there.isDead() || from.isDead() {
		return nil, errRefused
	}
	near, far := n.connect(from, there)
	select {
	case there.door <- far:
		return near, nil
	case <-there.shut:
		return nil, errRefused
	case <-ctx.Done():
		near.Close()
		return nil, ctx.Err()
	}
}

// listener is where the connections of a life come in.
type listener struct {
	of   *life
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.of.door:
		return c, nil
	case <-l.of.shut:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.of.shut) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.of.host()) }
