package raftgroup

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Link is how a group reaches its peers. Who may connect is the listener's
// business: whoever gets a connection through is believed.
type Link struct {
	Listener net.Listener // closed by Run
	Dial     func(ctx context.Context, address string) (net.Conn, error)
}

// streamLayer lends a Link to the engine's transport. It keeps every
// connection in sight, because the transport leaves accepted ones open.
type streamLayer struct {
	link    *Link
	address string
	inbox   chan net.Conn   // accepted by the door
	ctx     context.Context // ends with cancel: a transport has no context to hand to Dial
	cancel  context.CancelFunc

	mu     sync.Mutex
	open   map[*tracked]struct{} // guarded by mu; nil once closed
	closed bool                  // guarded by mu
}

func newStreamLayer(link *Link, address string) *streamLayer {
	s := &streamLayer{link: link, address: address, inbox: make(chan net.Conn), open: map[*tracked]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *streamLayer) Accept() (net.Conn, error) {
	select {
	case c := <-s.inbox:
		return s.track(c)
	case <-s.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (s *streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	c, err := s.link.Dial(ctx, string(address))
	if err != nil {
		return nil, err
	}
	return s.track(c)
}

func (s *streamLayer) track(c net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	t := &tracked{Conn: c, layer: s}
	s.open[t] = struct{}{}
	return t, nil
}

// Close closes every connection. The listener stays: it is the door's.
func (s *streamLayer) Close() error {
	s.mu.Lock()
	open := s.open
	s.open, s.closed = nil, true
	s.mu.Unlock()
	s.cancel()
	for t := range open {
		_ = t.Conn.Close()
	}
	return nil
}

// door accepts for whichever engine runs: the listener outlives engines.
type door struct {
	link *Link

	mu    sync.Mutex
	layer *streamLayer // guarded by mu: of the newest engine
}

// open lets peers through to an engine.
func (d *door) open(layer *streamLayer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.layer = layer
}

// hangUp closes all connections of the engine and lets it make no more.
func (d *door) hangUp() {
	d.mu.Lock()
	layer := d.layer
	d.mu.Unlock()
	if layer != nil {
		_ = layer.Close()
	}
}

// run accepts until the listener is closed. While no engine runs it hangs up.
func (d *door) run(ctx context.Context) error {
	for {
		c, err := d.link.Listener.Accept()
		switch {
		case err == nil:
			d.admit(c)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		default: // out of descriptors, say
			pause(ctx, 100*time.Millisecond)
		}
	}
}

func (d *door) admit(c net.Conn) {
	d.mu.Lock()
	layer := d.layer
	d.mu.Unlock()
	if layer == nil {
		_ = c.Close()
		return
	}
	select {
	case layer.inbox <- c:
	case <-layer.ctx.Done():
		_ = c.Close()
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Addr is the address that peers know, which may not be the listener's.
func (s *streamLayer) Addr() net.Addr { return peerAddr(s.address) }

type peerAddr string

func (peerAddr) Network() string  { return "tcp" }
func (a peerAddr) String() string { return string(a) }

type tracked struct {
	net.Conn
	layer    *streamLayer
	patience time.Duration // of a call; owned by who calls
}

func (t *tracked) Close() error {
	t.layer.mu.Lock()
	delete(t.layer.open, t)
	t.layer.mu.Unlock()
	return t.Conn.Close()
}
