package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// receiveBuffer is the kernel's for one connection. Small, since what lies in
// it keeps a PINGREQ behind it waiting while the socket is not read.
const receiveBuffer = 64 << 10

// door is one listening address.
type door struct {
	net.Listener
	tls *tls.Config
}

// Listen opens the addresses. Run does so if nobody did before; calling it
// first tells errors early and makes Addr useful.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doors) > 0 {
		return nil
	}
	open := func(addresses []string, config *tls.Config) error {
		for _, a := range addresses {
			l, err := net.Listen("tcp", a)
			if err != nil {
				return fmt.Errorf("listen for mqtt: %w", err)
			}
			s.doors = append(s.doors, door{l, config})
		}
		return nil
	}
	if err := errors.Join(open(s.cfg.Listen, nil), open(s.cfg.ListenTLS, s.cfg.TLS)); err != nil {
		for _, d := range s.doors {
			_ = d.Close() // nothing came through it yet
		}
		s.doors = nil
		return err
	}
	return nil
}

// Addr is the first address listened on, nil before Listen.
func (s *Server) Addr() net.Addr {
	if all := s.Addrs(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Addrs are the addresses listened on: Listen's in order, then ListenTLS's.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []net.Addr
	for _, d := range s.doors {
		all = append(all, d.Listener.Addr())
	}
	return all
}

// accept takes connections until the door closes. Errors, such as running out
// of file descriptors, make it wait, not end.
func (s *Server) accept(ctx context.Context, d door) {
	var wait time.Duration
	for {
		socket, err := d.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("accept", "address", d.Listener.Addr(), "error", err, "wait", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		wait = 0
		s.stats.accepted.Add(1)
		if !s.claim(socket) {
			s.stats.turnedAway.Add(1)
			_ = socket.Close() // it is turned away
			continue
		}
		s.serving.Go(func() { s.greet(ctx, socket, d.tls) })
	}
}

// claim takes one of the places for connections.
func (s *Server) claim(socket net.Conn) bool {
	address, limited := addressOf(socket.RemoteAddr())
	if limited && !s.crowd.add(address, s.cfg.MaxPerAddress) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places >= s.cfg.MaxConnections {
		if limited {
			s.crowd.drop(address)
		}
		return false
	}
	s.places++
	return true
}

// release gives a place back.
func (s *Server) release(socket net.Conn) {
	if address, limited := addressOf(socket.RemoteAddr()); limited {
		s.crowd.drop(address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places--
}

// greet takes in one connection, up to its CONNACK.
func (s *Server) greet(ctx context.Context, socket net.Conn, config *tls.Config) {
	leave, ok := s.greeting.enter(ctx)
	if !ok {
		_ = socket.Close() // the server ends
		s.release(socket)
		return
	}
	defer leave()
	c := s.secure(ctx, socket, config)
	if c == nil {
		s.release(socket)
		return
	}
	c.leave = leave
	err := c.guarded(c.welcome)
	s.serving.Go(func() { // on a stack that TLS and CONNECT have not made large
		defer s.release(socket)
		defer s.exit(c)
		if err == nil {
			err = c.guarded(c.serve)
		}
		c.classify(err)
	})
}

// secure makes a connection of a socket; nil: it is closed.
func (s *Server) secure(ctx context.Context, socket net.Conn, config *tls.Config) *conn {
	if t, ok := socket.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(receiveBuffer) // a hint; the kernel's default works too
	}
	if err := socket.SetDeadline(time.Now().Add(s.cfg.ConnectTimeout)); err != nil {
		_ = socket.Close() // gone already
		return nil
	}
	if config != nil {
		t := tls.Server(socket, config)
		if err := t.HandshakeContext(ctx); err != nil {
			s.cfg.Log.Debug("tls handshake", "remote", socket.RemoteAddr(), "error", err)
			_ = socket.Close() // it has no session to end
			return nil
		}
		socket = t
	}
	c := newConn(s, socket)
	if !s.enter(c) {
		_ = socket.Close() // the server ends
		return nil
	}
	return c
}
