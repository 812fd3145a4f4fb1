package syslog

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// lastLook is how long sockets are still read when Run ends: what the kernel
// has taken from a sender is not sent again.
const lastLook = 100 * time.Millisecond

// Server is the syslog door. New makes it, Run serves.
type Server struct {
	cfg       Config
	committer *committer
	stats     counters
	rates     rates
	streams   room // messages of all connections
	datagrams room // messages that came over UDP

	reading sync.WaitGroup // connections and UDP sockets

	mu       sync.Mutex
	doors    []door             // guarded by mu
	sockets  []*net.UDPConn     // guarded by mu
	conns    map[*conn]struct{} // guarded by mu
	ending   bool               // guarded by mu
	places   int                // connections, those in TLS handshake included; guarded by mu
	bySource map[netip.Addr]int // the same by source; guarded by mu
}

// New makes a server; nothing starts before Run. Kind Invalid: the
// configuration is incomplete or out of range.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, conns: map[*conn]struct{}{}, bySource: map[netip.Addr]int{},
		rates:     rates{perSecond: float64(cfg.RatePerSource)},
		streams:   room{messages: cfg.MaxConnections * cfg.Window, bytes: cfg.PendingBytes},
		datagrams: room{messages: cfg.UDPQueue, bytes: cfg.UDPBytes},
	}
	s.committer = newCommitter(s)
	return s, nil
}

// Run serves until ctx ends, then reads what the kernel holds, stores what was
// read, for at most DrainTimeout, and closes all connections. It may be called
// once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx)) // what was read is stored after ctx ends
	defer cancel()
	var workers, accepts sync.WaitGroup
	workers.Go(func() { s.ready(inner) })
	workers.Go(func() { s.committer.run(inner) })
	s.mu.Lock()
	doors, sockets := s.doors, s.sockets
	s.mu.Unlock()
	for _, d := range doors {
		accepts.Go(func() { s.accept(ctx, inner, d) })
	}
	for _, u := range sockets {
		s.reading.Go(func() { s.listen(inner, u) })
	}

	<-ctx.Done()
	for _, d := range doors {
		_ = d.Close() // nothing more comes through it either way
	}
	accepts.Wait()
	late := time.AfterFunc(s.cfg.DrainTimeout, cancel)
	defer late.Stop()
	s.end()
	s.reading.Wait()
	s.drain(inner)
	cancel()
	workers.Wait()
	if left := s.pending(); left > 0 {
		s.stats.drop("stopped", uint64(left))
		s.cfg.Log.Warn("stop with messages that are not stored", "count", left)
	}
	return nil
}

// ready makes the stream if it can be made now. If not, the first Put that
// misses it tries again.
func (s *Server) ready(ctx context.Context) {
	if err := s.committer.make(ctx); err != nil {
		s.cfg.Log.Info("make stream", "stream", s.cfg.Stream, "error", err)
	}
}

// end lets every reader have a last look.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	for _, u := range s.sockets {
		_ = u.SetReadDeadline(time.Now().Add(lastLook)) // it fails if it is closed, which serves too
	}
	for c := range s.conns {
		c.end()
	}
}

// drain waits until all that was read is stored.
func (s *Server) drain(ctx context.Context) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for s.pending() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// pending is how many messages wait for the log.
func (s *Server) pending() int {
	a, _ := s.streams.held()
	b, _ := s.datagrams.held()
	return a + b
}

// enter notes a connection.
func (s *Server) enter(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	if s.ending {
		c.end()
	}
}

// exit closes and forgets a connection.
func (s *Server) exit(c *conn) {
	_ = c.socket.Close() // it has nothing to say
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// pause waits; false: ctx ended before.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
