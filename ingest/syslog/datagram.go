package syslog

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// maxDatagram is more than any UDP datagram holds.
const maxDatagram = 64 << 10

// listen reads datagrams until the socket's last look ends. One datagram is
// one message (RFC 5426, 3.1). Nobody can be made to wait over UDP: what has
// no room is dropped, and counted.
func (s *Server) listen(ctx context.Context, u *net.UDPConn) {
	defer func() { _ = u.Close() }() // nothing is left to be read
	buffer := make([]byte, maxDatagram)
	var wait time.Duration
	for {
		n, address, err := u.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("read datagram", "address", u.LocalAddr(), "error", err, "wait", wait)
			if !pause(ctx, wait) {
				return
			}
			continue
		}
		wait = 0
		s.stats.bytes.Add(uint64(n))
		s.datagram(origin{transport: UDP, address: plain(address)}, buffer[:n])
	}
}

// datagram takes one datagram, or drops it.
func (s *Server) datagram(from origin, data []byte) {
	switch {
	case !s.cfg.allowed(from.address.Addr()):
		s.stats.drop("denied", 1)
		return
	case len(data) == 0:
		s.stats.drop("empty", 1)
		return
	case s.rates.take(source(from.address.Addr()), time.Now()) > 0:
		s.stats.drop("rate", 1)
		return
	}
	m := s.cfg.newMessage(from, data, false)
	s.stats.receive(UDP, m, len(data) > s.cfg.MaxMessage)
	if !s.datagrams.try(m.size()) {
		s.stats.drop("queue", 1)
		return
	}
	s.committer.add(m)
}
