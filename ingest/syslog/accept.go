package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Receive buffers asked of the kernel. Datagrams that find theirs full are
// lost before anybody counts them.
const (
	streamBuffer   = 256 << 10
	datagramBuffer = 4 << 20
)

// door is one listening address for connections.
type door struct {
	net.Listener
	tls *tls.Config
}

// Listen opens the addresses. Run does so if nobody did before; calling it
// first tells errors early and makes Addrs useful.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.doors)+len(s.sockets) > 0 {
		return nil
	}
	err := errors.Join(s.openUDP(), s.openTCP(s.cfg.TCP, nil), s.openTCP(s.cfg.TLS, s.cfg.TLSConfig))
	if err != nil {
		for _, d := range s.doors {
			_ = d.Close() // nothing came through it yet
		}
		for _, u := range s.sockets {
			_ = u.Close() // nor here
		}
		s.doors, s.sockets = nil, nil
	}
	return err
}

func (s *Server) openUDP() error {
	for _, a := range s.cfg.UDP {
		to, err := net.ResolveUDPAddr("udp", a)
		if err != nil {
			return fmt.Errorf("listen for syslog over udp: %w", err)
		}
		u, err := net.ListenUDP("udp", to)
		if err != nil {
			return fmt.Errorf("listen for syslog over udp: %w", err)
		}
		_ = u.SetReadBuffer(datagramBuffer) // a hint; the kernel's default works too
		s.sockets = append(s.sockets, u)
	}
	return nil
}

func (s *Server) openTCP(addresses []string, config *tls.Config) error {
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return fmt.Errorf("listen for syslog over tcp: %w", err)
		}
		s.doors = append(s.doors, door{l, config})
	}
	return nil
}

// Addrs are the addresses listened on: UDP's in the order of Config, then
// TCP's, then TLS's. None before Listen.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []net.Addr
	for _, u := range s.sockets {
		all = append(all, u.LocalAddr())
	}
	for _, d := range s.doors {
		all = append(all, d.Listener.Addr())
	}
	return all
}

// accept takes connections until the door closes. Errors, such as running out
// of file descriptors, make it wait, not end.
func (s *Server) accept(ctx, inner context.Context, d door) {
	var wait time.Duration
	for {
		socket, err := d.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("accept", "address", d.Listener.Addr(), "error", err, "wait", wait)
			pause(ctx, wait)
			continue
		}
		wait = 0
		s.stats.accepted.Add(1)
		from := remote(socket.RemoteAddr())
		if why := s.claim(from.Addr(), d.tls); why != "" {
			s.stats.turnAway(why)
			_ = socket.Close() // it is turned away
			continue
		}
		s.reading.Go(func() {
			defer s.release(from.Addr())
			s.serve(ctx, inner, socket, d.tls)
		})
	}
}

// claim takes one of the places for connections, or says why it does not.
func (s *Server) claim(from netip.Addr, config *tls.Config) string {
	if !s.cfg.allowed(from) && !asksCertificate(config) {
		return "denied"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places >= s.cfg.MaxConnections {
		return "connections"
	}
	if s.bySource[source(from)] >= s.cfg.MaxPerSource {
		return "source"
	}
	s.places++
	s.bySource[source(from)]++
	return ""
}

// release gives a place back.
func (s *Server) release(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places--
	key := source(from)
	if s.bySource[key]--; s.bySource[key] == 0 {
		delete(s.bySource, key)
	}
}

// asksCertificate reports whether a client may prove by certificate who it is.
func asksCertificate(c *tls.Config) bool {
	return c != nil && (c.ClientAuth >= tls.VerifyClientCertIfGiven || c.GetConfigForClient != nil)
}

// serve is one connection's life.
func (s *Server) serve(ctx, inner context.Context, socket net.Conn, config *tls.Config) {
	if t, ok := socket.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(streamBuffer) // a hint
	}
	from := origin{transport: TCP, address: remote(socket.RemoteAddr())}
	if config != nil {
		secured, peer, why := s.handshake(ctx, socket, config)
		if why != "" {
			s.stats.turnAway(why)
			_ = socket.Close() // no message came
			return
		}
		from.transport, from.peer, socket = TLS, peer, secured
	}
	c := newConn(s, socket, from)
	s.enter(c)
	defer s.exit(c)
	c.run(inner)
}

// handshake is TLS's. Peer is the name in the client's certificate; why, if
// not empty, is why the connection is turned away.
func (s *Server) handshake(ctx context.Context, socket net.Conn, config *tls.Config) (secured net.Conn, peer, why string) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	t := tls.Server(socket, config)
	if err := t.HandshakeContext(ctx); err != nil {
		s.cfg.Log.Debug("tls handshake", "remote", socket.RemoteAddr(), "error", err)
		return nil, "", "tls"
	}
	state := t.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		if !s.cfg.allowed(remote(socket.RemoteAddr()).Addr()) {
			return nil, "", "denied"
		}
		return t, "", ""
	}
	leaf := state.PeerCertificates[0]
	if peer = leaf.Subject.CommonName; len(leaf.DNSNames) > 0 {
		peer = leaf.DNSNames[0] // RFC 5425, 5.2: rather than the common name
	}
	return t, peer[:min(len(peer), maxName)], ""
}

// remote is a peer's address, unmapped and without zone.
func remote(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return plain(a.AddrPort())
	case *net.UDPAddr:
		return plain(a.AddrPort())
	default:
		return netip.AddrPort{}
	}
}

func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
