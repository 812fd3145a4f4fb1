package uplink

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// How long a link may stand still. The whole of a request is not bounded: a
// part of 5 MiB takes an hour where only an old modem has coverage.
const (
	dialTime  = 15 * time.Second
	stallTime = time.Minute // without a byte leaving
	idleTime  = 30 * time.Second
)

// ErrBudget says that the day's or the month's bytes are used up.
var ErrBudget = errors.New("the budget of the uplink is used up")

// Dial opens a connection of the lane. What goes over it counts, and what is
// sent is paced.
func (l *Lane) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := l.u.dial(ctx, network, address)
	if l.priority != Free {
		l.u.link.report(err, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, lane: l, closed: make(chan struct{})}, nil
}

// Failed reports an attempt that did not come as far as dialling.
func (l *Lane) Failed(err error) {
	if l.priority != Free {
		l.u.link.report(err, time.Now())
	}
}

// conn is a connection whose bytes are counted.
type conn struct {
	net.Conn
	lane   *Lane
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	deadline time.Time // guarded by mu: of writes
}

// Read counts what comes in.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.lane.count(0, n)
	if n > 0 && c.lane.priority != Free {
		c.lane.u.link.report(nil, time.Now())
	}
	return n, err
}

// Write sends a piece at a time, when it is the lane's turn. It fails when the
// link takes nothing for a minute; waiting for the turn is not counted.
func (c *conn) Write(p []byte) (written int, err error) {
	for len(p) > 0 || written == 0 {
		piece := p[:c.lane.piece(len(p))]
		if err := c.wait(len(piece)); err != nil {
			return written, err
		}
		if err := c.Conn.SetWriteDeadline(c.earlier(time.Now().Add(stallTime))); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		c.lane.count(n, 0)
		written += n
		if err != nil {
			return written, err
		}
		if p = p[len(piece):]; len(p) == 0 {
			break
		}
	}
	return written, nil
}

func (c *conn) earlier(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && c.deadline.Before(t) {
		return c.deadline
	}
	return t
}

// SetDeadline is for both ways.
func (c *conn) SetDeadline(t time.Time) error {
	c.remember(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline is kept, since each piece sets its own.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.remember(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) remember(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
}

// Close closes, and ends the waiting of writes.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// wait waits for n bytes' turn.
func (c *conn) wait(n int) error {
	l := c.lane
	if l.priority == Free {
		return nil
	}
	if err := l.afford(n); err != nil {
		return err
	}
	var late <-chan time.Time
	if d := c.earlier(time.Now().Add(24 * time.Hour)); time.Until(d) < 24*time.Hour-time.Second {
		t := time.NewTimer(time.Until(d))
		defer t.Stop()
		late = t.C
	}
	return l.u.turn(l, n, c.closed, late)
}

// afford sees to it that what is sent was set aside before.
func (l *Lane) afford(n int) error {
	b := l.u.budget
	if b == nil {
		return nil
	}
	if b.short() {
		ctx, cancel := context.WithTimeout(context.Background(), dialTime)
		defer cancel()
		if err := b.refill(ctx, time.Now()); err != nil {
			return err
		}
	}
	part := ends
	if l.priority == Alarm {
		part = 1
	}
	if !b.open(time.Now(), part, n) {
		return ErrBudget
	}
	return nil
}

// turn waits until the pacer grants n bytes, until closed or late.
func (u *Uplink) turn(l *Lane, n int, closed <-chan struct{}, late <-chan time.Time) error {
	w := &waiter{lane: l, n: n, granted: make(chan struct{})}
	u.mu.Lock()
	u.pacer.enter(w)
	wait := u.pacer.dispatch(time.Now())
	u.mu.Unlock()
	for {
		again := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-w.granted:
			again.Stop()
			return nil
		case <-again.C:
			u.mu.Lock()
			wait = u.pacer.dispatch(time.Now())
			u.mu.Unlock()
			continue
		case <-closed:
			again.Stop()
			return u.give(w, net.ErrClosed)
		case <-late:
			again.Stop()
			return u.give(w, os.ErrDeadlineExceeded)
		}
	}
}

// give gives up a turn, unless it has come.
func (u *Uplink) give(w *waiter, why error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pacer.leave(w) {
		return nil
	}
	return why
}

func (l *Lane) piece(n int) int {
	l.u.mu.Lock()
	defer l.u.mu.Unlock()
	return l.u.pacer.piece(n)
}

// count adds bytes that went by.
func (l *Lane) count(sent, received int) {
	l.u.mu.Lock()
	l.sent += int64(sent)
	l.received += int64(received)
	l.u.mu.Unlock()
	if l.priority != Free && l.u.budget != nil && sent+received > 0 {
		l.u.budget.spend(int64(sent + received))
	}
}
