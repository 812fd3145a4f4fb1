package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
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
		if !s.claim() {
			s.stats.turnedAway.Add(1)
			_ = socket.Close() // it is turned away
			continue
		}
		s.serving.Go(func() {
			defer s.release()
			s.serve(ctx, socket, d.tls)
		})
	}
}

// claim takes one of the places for connections.
func (s *Server) claim() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places >= s.cfg.MaxConnections {
		return false
	}
	s.places++
	return true
}

// release gives a place back.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places--
}

// serve is one connection's life.
func (s *Server) serve(ctx context.Context, socket net.Conn, config *tls.Config) {
	if t, ok := socket.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(receiveBuffer) // a hint; the kernel's default works too
	}
	if err := socket.SetDeadline(time.Now().Add(s.cfg.ConnectTimeout)); err != nil {
		_ = socket.Close() // gone already
		return
	}
	if config != nil {
		t := tls.Server(socket, config)
		if err := t.HandshakeContext(ctx); err != nil {
			s.cfg.Log.Debug("tls handshake", "remote", socket.RemoteAddr(), "error", err)
			_ = socket.Close() // it has no session to end
			return
		}
		socket = t
	}
	c := newConn(s, socket)
	if !s.enter(c) {
		_ = socket.Close() // the server ends
		return
	}
	defer s.exit(c)
	s.classify(s.establish(c))
}

// establish hands the connection to the broker library, which serves it in
// this goroutine. A packet that makes the library panic ends this connection
// only.
func (s *Server) establish(c *conn) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.stats.panics.Add(1)
			s.cfg.Log.Error("broker library panicked, connection ends", "remote", c.RemoteAddr(),
				"fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
			s.forgetClient(c)
			err = packets.ErrMalformedPacket
		}
	}()
	return s.broker.EstablishConnection("tcp", c)
}

// forgetClient does what the library does when a connection ends, and did not
// because it panicked.
func (s *Server) forgetClient(c *conn) {
	cl := c.client.Load()
	if cl == nil {
		return
	}
	if now, ok := s.broker.Clients.Get(cl.ID); ok && now == cl {
		s.broker.Clients.Delete(cl.ID)
	}
}

// classify counts why a connection ended.
func (s *Server) classify(err error) {
	var code packets.Code
	switch {
	case err == nil:
	case errors.Is(err, errTooLarge):
		s.stats.refuse("too large")
	case errors.Is(err, errNotConnect), errors.Is(err, errMalformed):
		s.stats.malformed.Add(1)
	case errors.As(err, &code) && slices.Contains([]byte{packets.ErrMalformedPacket.Code,
		packets.ErrProtocolViolation.Code, packets.ErrTopicAliasInvalid.Code}, code.Code):
		s.stats.malformed.Add(1)
	}
}
