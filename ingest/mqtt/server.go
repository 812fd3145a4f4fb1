package mqtt

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// sweepEvery is how often QoS 2 ids of clients that never came back are sought.
const (
	sweepEvery = time.Hour
	tendEvery  = time.Minute
	guardEvery = time.Second // devices that may no longer be connected are looked for
)

// Server is the MQTT door. New makes it, Run serves.
//
// Records, QoS 2 ids, sessions and retained messages are replicated state: a
// device may come back to another gateway of the site.
type Server struct {
	cfg        Config
	committers *committers
	desks      [desks]*desk
	releaser   *releaser
	sessions   *sessions
	follower   *downlink.Follower
	store      downlink.Sessions
	retained   retention
	turns      turns
	wills      wills
	lent       lent
	greeting   queue
	crowd      crowd
	frames     sync.Pool // buffers that WebSockets write with

	stats   counters
	open    atomic.Int64 // messages, removals and PUBCOMPs to answer
	waiting atomic.Int64 // bytes of those messages
	kept    atomic.Int64 // sessions that are kept, about: those of other gateways are counted once an hour

	life    context.Context // of Run: sessions are kept until it has ended
	serving sync.WaitGroup  // connections
	pumps   sync.WaitGroup

	mu      sync.Mutex
	taking  context.Context // of Run while it serves; nil: no more sockets are taken
	doors   []door
	conns   map[*conn]struct{} // nil once Run has ended
	places  int                // connections, those in TLS handshake included
	devices map[string]*device // that are connected, by client id
}

// New makes a server; nothing starts before Run. Kind Invalid: the
// configuration is incomplete.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, conns: map[*conn]struct{}{}, devices: map[string]*device{}, store: downlink.Sessions{States: cfg.States},
		greeting: make(queue, greeters),
		sessions: &sessions{states: cfg.States, fence: &fence{states: cfg.States, gateway: cfg.Gateway}, byClient: map[string]*session{}},
	}
	s.turns.seed = maphash.MakeSeed()
	for i := range s.desks {
		s.desks[i] = newDesk(s)
	}
	s.retained.topics = map[string]struct{}{}
	s.releaser = &releaser{server: s, signal: make(chan struct{}, 1)}
	s.committers = newCommitters(s)
	s.follower = downlink.NewFollower(downlink.Config{Reader: cfg.Reader, Catalog: cfg.Catalog, Read: s.readRecord, Whole: readWhole, Gap: readGap, Streams: s.reach, Log: cfg.Log,
		States: cfg.States, Gateway: cfg.Gateway, Now: cfg.Now, Lease: cfg.Lease})
	return s, nil
}

// reach are the streams in which messages may lie whose topics match a filter.
func (s *Server) reach(filter string) []shardlog.StreamName {
	if strings.HasPrefix(filter, reserved) {
		return []shardlog.StreamName{ingest.AnnounceStream}
	}
	return s.cfg.Routes.Reach(filter)
}

// packetLimit is how many bytes a packet may have after its header.
func (s *Server) packetLimit() int { return s.cfg.MaxPayload + maxOverhead }

// Run serves until ctx ends, then answers what is open, for at most
// DrainTimeout, and closes all connections. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx)) // open messages are answered after ctx ends
	defer cancel()
	s.life = inner
	var workers, accepts sync.WaitGroup
	s.committers.start(inner, &workers)
	if len(s.cfg.Services) > 0 {
		for _, d := range s.desks {
			workers.Go(func() { d.run(inner) })
		}
	}
	workers.Go(func() { s.releaser.run(inner) })
	workers.Go(func() { _ = s.follower.Run(inner) }) // it ends with inner
	workers.Go(func() { s.tend(inner) })
	workers.Go(func() { s.sweep(inner) })
	s.catchUp(ctx)
	for _, d := range s.doors {
		accepts.Go(func() { s.accept(ctx, d) })
	}

	s.admitSockets(ctx)

	<-ctx.Done()
	s.admitSockets(nil)
	for _, d := range s.doors {
		_ = d.Close() // nothing more comes through it either way
	}
	accepts.Wait()
	s.drain()
	s.disconnect()
	s.serving.Wait()
	s.wills.stop()
	s.committers.stop()
	cancel()
	workers.Wait()
	s.pumps.Wait()
	return nil
}

// catchUp waits a while until this gateway knows what was agreed on before it
// started: sessions, and ids of QoS 2, must not be those of then. Without a
// quorum devices are let in all the same.
func (s *Server) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	again := time.NewTicker(firstRetry)
	defer again.Stop()
	for {
		err := barrier(ctx, s.cfg.States, s.cfg.Gateway)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			s.cfg.Log.Warn("devices are let in before the state is known to be the latest", "error", err)
			return
		}
	}
}

// ready makes the committer's stream if it can be made now. If not, the first
// Put that misses it tries again.
func (s *Server) ready(ctx context.Context, co *committer) {
	if err := co.make(ctx); err != nil {
		s.cfg.Log.Info("make stream", "stream", co.spec.Name, "error", err)
	}
}

// sweep removes what clients that never came back left behind.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.learn(ctx)
		if err := errors.Join(s.sessions.sweep(ctx, time.Now()), s.count(ctx)); err != nil {
			s.cfg.Log.Warn("sweep sessions", "error", err)
		}
	}
}

// count forgets expired sessions, and notes how many there are.
func (s *Server) count(ctx context.Context) error {
	n, err := s.store.Sweep(ctx, s.now())
	s.kept.Store(int64(n))
	return err
}

// tend notes once a minute how far sessions are, and looks each second for
// devices that may no longer be connected.
func (s *Server) tend(ctx context.Context) {
	s.learn(ctx)
	if err := s.count(ctx); err != nil {
		s.cfg.Log.Warn("sweep sessions", "error", err)
	}
	ticker, guards := time.NewTicker(tendEvery), time.NewTicker(guardEvery)
	defer ticker.Stop()
	defer guards.Stop()
	for {
		select {
		case <-guards.C:
			s.expel()
		case <-ticker.C:
			s.note(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// expel ends the connections of devices that may no longer be connected.
func (s *Server) expel() {
	for _, c := range s.connections() {
		if c.device.Load() == nil || c.guard == nil {
			continue
		}
		select {
		case <-c.guard.Ended():
			c.end(packets.ErrNotAuthorized)
		default:
		}
	}
}

// now is what sessions and messages expire by.
func (s *Server) now() time.Time { return s.cfg.Now() }

// drain stops reading and waits for the open answers.
func (s *Server) drain() {
	for _, c := range s.connections() {
		c.drain()
	}
	late := time.NewTimer(s.cfg.DrainTimeout)
	defer late.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for s.open.Load() > 0 {
		select {
		case <-look.C:
		case <-late.C:
			s.cfg.Log.Warn("stop with open messages", "count", s.open.Load())
			return
		}
	}
}

// disconnect ends all connections, and lets none in any more.
func (s *Server) disconnect() {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range conns {
		c.end(packets.ErrServerShuttingDown)
	}
}

// enter notes a connection; false: Run has ended.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// exit forgets a connection that has ended.
func (s *Server) exit(c *conn) {
	_ = c.Close() // usually it is
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	d := c.device.Load()
	if d != nil {
		s.bequeath(c)
		s.farewell(s.life, d)
	}
	if c.guard != nil {
		c.guard.Close()
	}
	session := c.quality()
	if session == nil {
		return
	}
	expire := d == nil || d.expiry == 0
	for _, id := range s.sessions.leave(session, expire) {
		s.releaser.add(release{session: session, id: id})
	}
}

// connections are those open now.
func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// refuse settles a message that will not be stored, and counts it.
func (s *Server) refuse(m *message, v verdict) {
	s.stats.refuse(v.reason())
	if m.qos > 0 && m.conn.version() < 5 {
		m.conn.refusing.Store(true)
	}
	m.settle(v)
}
