package peer

import (
	"net"
	"sync"
	"time"

	"headgate/shardlog"
)

// conn is a connection to or from another gateway. It is in the links' sight
// from before its handshake until it is closed.
type conn struct {
	net.Conn // TLS, once the handshake is done
	raw      net.Conn
	links    *Links
	inbound  bool
	id       string // of the other gateway, once known; guarded by links.mu
}

// Close closes the connection, with a goodbye.
func (c *conn) Close() error {
	c.links.forget(c)
	return c.Conn.Close()
}

// sever closes the connection without a word, so that it cannot block.
func (c *conn) sever() { _ = c.raw.Close() }

// keep takes a connection under the links' eyes, and closes it when none is
// wanted.
func (l *Links) keep(raw net.Conn, inbound bool) (*conn, error) {
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wanted(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, links: l, inbound: inbound}
	l.open[c] = struct{}{}
	return c, nil
}

func (l *Links) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// wanted says why no connection is wanted; the caller holds mu.
func (l *Links) wanted() error {
	switch {
	case l.closed:
		return shardlog.Errorf(shardlog.Unavailable, "link", "this gateway is about to end")
	case l.cut:
		return shardlog.Errorf(shardlog.Unavailable, "link", "the peers are cut off on purpose")
	}
	return nil
}

// name notes who is at the other end. Kind LimitExceeded when that gateway has
// enough connections.
func (l *Links) name(c *conn, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for o := range l.open {
		if o.inbound && o.id == id {
			n++
		}
	}
	if c.inbound && n >= maxPerPeer {
		return shardlog.Errorf(shardlog.LimitExceeded, "link", "gateway %s has %d connections already", id, n)
	}
	c.id = id
	return nil
}

// Cut drops every connection between this gateway and the others, in both
// directions, and refuses new ones until it is switched off: an outage on
// purpose. Newcomers are refused as well.
func (l *Links) Cut(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = on
	if on {
		l.severAll(func(*conn) bool { return true })
	}
}

// IsCut reports whether the peers are cut off on purpose.
func (l *Links) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// severAll drops connections; the caller holds mu.
func (l *Links) severAll(which func(*conn) bool) {
	for c := range l.open {
		if which(c) {
			c.sever()
		}
	}
}

// dropRemoved drops the connections of gateways that were removed meanwhile.
func (l *Links) dropRemoved() {
	l.mu.Lock()
	ids := map[string]bool{}
	for c := range l.open {
		ids[c.id] = false
	}
	l.mu.Unlock()
	for id := range ids {
		ids[id] = id != "" && l.c.Removed(id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.severAll(func(c *conn) bool { return ids[c.id] })
}

// close ends the links for good.
func (l *Links) close() {
	l.mu.Lock()
	l.closed = true
	l.severAll(func(*conn) bool { return true })
	raft := l.raft
	l.mu.Unlock()
	if raft != nil {
		_ = raft.Close()
	}
}

// queue is a listener whose connections were accepted by somebody else.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func newQueue(addr net.Addr) *queue {
	return &queue{conns: make(chan net.Conn), done: make(chan struct{}), addr: addr}
}

// Accept waits for the next connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept; connections that were accepted go on.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr is the address of the port behind it.
func (q *queue) Addr() net.Addr { return q.addr }

func (q *queue) isClosed() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// offer hands a connection over, or closes it when nobody takes it in time.
func (q *queue) offer(c net.Conn, patience time.Duration) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case q.conns <- c:
		return true
	case <-q.done:
	case <-late.C:
	}
	_ = c.Close()
	return false
}
