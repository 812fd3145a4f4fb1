package syslog

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// conn is one connection, TCP or TLS. Syslog has no answers (RFC 6587, 3.1):
// all that a sender is told is that its bytes are not read.
type conn struct {
	server *Server
	socket net.Conn
	from   origin
	room   room
	frames framer    // owned by run
	begun  time.Time // when a message began that is not whole; owned by run

	mu     sync.Mutex
	ending bool // guarded by mu
}

func newConn(s *Server, socket net.Conn, from origin) *conn {
	return &conn{
		server: s, socket: socket, from: from,
		room:   room{messages: s.cfg.Window, bytes: s.cfg.WindowBytes},
		frames: framer{max: s.cfg.MaxMessage},
	}
}

// run reads until the connection ends; messages go to the committer. There is
// no limit to silence between messages: a sender does not notice at once that
// it was hung up on, and loses what it sends next.
func (c *conn) run(ctx context.Context) {
	stats := &c.server.stats
	for {
		c.arm()
		n, err := c.socket.Read(c.frames.space())
		c.frames.filled(n)
		stats.bytes.Add(uint64(n))
		if fault := c.pass(ctx); fault != nil {
			stats.malformed.Add(1)
			c.server.cfg.Log.Warn("connection ends", "remote", c.from.address, "error", fault)
			return
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !c.ends() {
			stats.timeouts.Add(1)
			c.server.cfg.Log.Warn("connection ends", "remote", c.from.address, "error", "half a message")
		}
		if f := c.frames.rest(errors.Is(err, io.EOF)); len(f.data) > 0 {
			c.take(ctx, f)
		}
		return
	}
}

// pass takes all messages that were read whole.
func (c *conn) pass(ctx context.Context) error {
	for {
		f, err := c.frames.next()
		if err != nil || len(f.data) == 0 {
			return err
		}
		c.begun = time.Time{}
		c.take(ctx, f)
	}
}

// take brings one message to the committer when its source may send and the
// windows have room. When ctx ends before, it is lost, and counted.
func (c *conn) take(ctx context.Context, f frame) {
	s := c.server
	m := s.cfg.newMessage(c.from, f.data, f.cut)
	m.room = &c.room
	s.stats.receive(c.from.transport, m, f.cut)
	if !c.paced(ctx) || !c.admitted(ctx, m.size()) {
		s.stats.drop("stopped", 1)
		return
	}
	s.committer.add(m)
}

// paced waits until the source may send one more; false: ctx ended.
func (c *conn) paced(ctx context.Context) bool {
	for waited := false; ; waited = true {
		wait := c.server.rates.take(source(c.from.address.Addr()), time.Now())
		if wait == 0 {
			return true
		}
		if !waited {
			c.server.stats.rateWaits.Add(1)
		}
		if !pause(ctx, wait) {
			return false
		}
	}
}

// admitted takes room in the connection's window and in everybody's; false:
// ctx ended.
func (c *conn) admitted(ctx context.Context, size int) bool {
	s := c.server
	if !c.room.try(size) {
		s.stats.windowWaits.Add(1)
		if !c.room.enter(ctx, size) {
			return false
		}
	}
	if !s.streams.try(size) {
		s.stats.windowWaits.Add(1)
		return s.streams.enter(ctx, size)
	}
	return true
}

// arm sets the deadline of the next read: a message that has begun must end.
func (c *conn) arm() {
	var until time.Time
	if c.frames.half() {
		if c.begun.IsZero() {
			c.begun = time.Now()
		}
		until = c.begun.Add(c.server.cfg.FrameTimeout)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		_ = c.socket.SetReadDeadline(until) // it fails if it is closed; then Read does too
	}
}

// end makes run have a last look at what came, and end.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	_ = c.socket.SetReadDeadline(time.Now().Add(lastLook)) // as above
}

// ends reports whether the server ends.
func (c *conn) ends() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}
