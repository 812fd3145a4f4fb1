package mqtt

import (
	"context"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// greeters are how many connections may be between accept and CONNACK at once.
// In a storm the others wait in line before their handshake, with a socket and
// nothing else.
const greeters = 256

// refusalPause is how long a device with wrong credentials waits for its answer,
// so that guessing, and retrying without a pause, is slow.
const refusalPause = 500 * time.Millisecond

// Client ids that are taken over again and again belong to two devices that
// know nothing of each other, and would do nothing else all day.
const (
	takeoverSoon  = 10 * time.Second // after which a takeover is an ordinary one
	takeoverFree  = 3                // that come sooner, and need not wait
	takeoverPause = time.Second      // longer with each that comes
	takeoverMost  = 8 * time.Second
)

// queue is the line before the handshake. The zero value is not usable.
type queue chan struct{}

// enter waits for a turn; false: ctx ended. leave gives it back, once.
func (q queue) enter(ctx context.Context) (leave func(), ok bool) {
	select {
	case q <- struct{}{}:
		return sync.OnceFunc(func() { <-q }), true
	case <-ctx.Done():
		return nil, false
	}
}

// crowd counts connections by address. The zero value is ready.
type crowd struct {
	mu sync.Mutex
	by map[netip.Addr]int // guarded by mu
}

// add counts one more; false: there are most already.
func (c *crowd) add(a netip.Addr, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[netip.Addr]int{}
	}
	if c.by[a] >= most {
		return false
	}
	c.by[a]++
	return true
}

// drop counts one less.
func (c *crowd) drop(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[a]--; c.by[a] <= 0 {
		delete(c.by, a)
	}
}

// addressOf is what limits count as one: an IPv4 address, or the /64 of an IPv6
// address. False: this machine's own, which is not limited.
func addressOf(at net.Addr) (netip.Addr, bool) {
	t, ok := at.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	a := t.AddrPort().Addr().Unmap()
	if a.IsLoopback() || !a.IsValid() {
		return a, false
	}
	if p, err := a.WithZone("").Prefix(64); a.Is6() && err == nil {
		a = p.Addr()
	}
	return a, true
}

// rate is what one device may publish; nil: as much as the log takes.
func (c *Config) rate() *quota.Write {
	if c.MessageRate == 0 && c.ByteRate == 0 {
		return nil
	}
	limits := quota.Limits{RecordsIn: c.MessageRate, BytesIn: c.ByteRate}
	if limits.RecordsIn == 0 {
		limits.RecordsIn = math.MaxInt32
	}
	if limits.BytesIn == 0 {
		limits.BytesIn = math.MaxInt32
	}
	return &quota.Write{Limits: limits}
}

// pace waits until the device may publish n bytes more. What it sends meanwhile
// waits in its socket. It gives up as admit does.
func (c *conn) pace(n int) error {
	if c.rate == nil {
		return nil
	}
	err := c.rate.Take(time.Now(), 1, n)
	if err == nil {
		return nil
	}
	c.server.stats.rateWaits.Add(1)
	late := time.Now().Add(c.patience())
	for err != nil {
		wait := max(shardlog.RetryAfter(err), time.Millisecond)
		if time.Until(late) < wait {
			return errStalled
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.closed:
			timer.Stop()
			return net.ErrClosed
		}
		err = c.rate.Take(time.Now(), 1, n)
	}
	return nil
}

// patience is how long the socket may go unread: half a keepalive, since a
// PINGREQ may be waiting in it.
func (c *conn) patience() time.Duration {
	if k := c.peer.Load().keepalive; k > 0 {
		return k / 2
	}
	return forever
}

const forever = 24 * time.Hour // nothing waits as long

// calm has a device wait that takes over a session which was taken over a
// moment ago, and again and again before.
func (s *Server) calm(ctx context.Context, c *conn, client string) error {
	s.mu.Lock()
	before := s.devices[client]
	s.mu.Unlock()
	if before == nil || s.now().Sub(before.since) > takeoverSoon {
		return nil
	}
	if c.kicks = before.conn.kicks + 1; c.kicks <= takeoverFree {
		return nil
	}
	s.stats.takeoverPauses.Add(1)
	s.cfg.Log.Warn("two devices use one client id", "client", client, "remote", c.RemoteAddr(), "other", before.conn.RemoteAddr())
	return c.pause(ctx, min(time.Duration(c.kicks-takeoverFree)*takeoverPause, takeoverMost))
}

// pause waits, and gives up the turn at the handshake before.
func (c *conn) pause(ctx context.Context, wait time.Duration) error {
	c.leave()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
