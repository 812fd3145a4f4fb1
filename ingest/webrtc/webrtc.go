// Package webrtc is the door for browsers, phones and cameras that speak
// WebRTC: they publish by WHIP (RFC 9725) and watch by WHEP
// (draft-ietf-wish-whep). What is published is forwarded to those who watch at
// once, and recorded behind that. It knows no storage but the log's contracts.
package webrtc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"golang.org/x/sync/errgroup"

	"headgate/ingest"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// Role is what somebody wants to do with a camera.
type Role string

// The roles.
const (
	Publish Role = "publish"
	View    Role = "view"
)

// Config is what a Server needs.
type Config struct {
	Address string // of ICE, UDP and TCP: "127.0.0.1:8189", "0.0.0.0:8189"
	KeyFile string // where the DTLS key lies, made when it is not there; empty: one for this process
	// Hosts are further addresses under which viewers reach us: behind NAT.
	Hosts []string

	// Recorder is the camera's. Kinds: NotFound, Denied, Unavailable.
	Recorder func(ctx context.Context, camera shardlog.StreamName) (*chunk.Recorder, error)
	Footage  func(camera shardlog.StreamName) *chunk.Footage
	// Authorize answers Denied to whoever may not. It is called before
	// anything of the request's body is looked at.
	Authorize func(r *http.Request, camera shardlog.StreamName, role Role) error
	// Ceiling is how many bits a second a camera may send now; zero: any.
	Ceiling func(camera shardlog.StreamName) int

	Writer shardlog.Writer // for what comes by data channel
	Routes *ingest.Routes  // from "camera/NAME/LABEL"; nil: no data channels

	MaxSessions int     // publishing and watching; zero: 256
	MaxPending  int     // not yet connected; zero: 64
	PerSecond   float64 // POSTs from one address, of PATCH and DELETE four times that; zero: 5, negative: any
	Log         *slog.Logger
	Now         func() time.Time // nil: time.Now
}

// Server is the door. New makes it, Listen opens its ports, Run runs it.
type Server struct {
	config   Config
	log      *slog.Logger
	api      *webrtc.API
	settings webrtc.SettingEngine
	identity webrtc.Certificate
	udp      net.PacketConn
	tcp      net.Listener
	udpMux   ice.UDPMux
	tcpMux   ice.TCPMux
	posts    rates
	changes  rates // PATCH and DELETE
	stats    counters

	mu       sync.Mutex
	cameras  map[shardlog.StreamName]*camera // guarded by mu
	sessions map[string]*session             // guarded by mu
	closed   bool                            // guarded by mu
	group    *errgroup.Group                 // guarded by mu; nil before Run and after
}

// New makes a Server. Nothing is opened yet.
func New(c Config) (*Server, error) {
	if c.Recorder == nil || c.Footage == nil || c.Authorize == nil {
		return nil, errors.New("webrtc: Recorder, Footage and Authorize are needed")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 256
	}
	if c.MaxPending == 0 {
		c.MaxPending = 64
	}
	if c.PerSecond == 0 {
		c.PerSecond = 5
	}
	identity, err := openIdentity(c.KeyFile)
	if err != nil {
		return nil, err
	}
	return &Server{config: c, log: c.Log, identity: identity, posts: rates{perSecond: c.PerSecond, burst: 4 * c.PerSecond},
		changes: rates{perSecond: changesPerPost * c.PerSecond, burst: 4 * changesPerPost * c.PerSecond},
		cameras: map[shardlog.StreamName]*camera{}, sessions: map[string]*session{}}, nil
}

// changesPerPost is how many changes of sessions an address may make in the
// time of one POST: clients send candidates one by one.
const changesPerPost = 4

// Listen opens the ports of ICE, so that a port in use is known before
// anything runs.
func (s *Server) Listen() error {
	udp, tcp, err := listen(s.config.Address)
	for try := 1; err != nil && try < anyTries && strings.HasSuffix(s.config.Address, ":0"); try++ {
		udp, tcp, err = listen(s.config.Address) // that port was free for UDP alone
	}
	if err != nil {
		return err
	}
	if c, ok := udp.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(socketBuffer) // less is slower, not wrong
		_ = c.SetWriteBuffer(socketBuffer)
	}
	s.udp, s.tcp = udp, tcp
	return s.engine()
}

// anyTries is how often a port is looked for that both protocols have free.
const anyTries = 10

func listen(address string) (net.PacketConn, net.Listener, error) {
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, nil, err
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		return nil, nil, errors.Join(err, udp.Close())
	}
	return udp, tcp, nil
}

// socketBuffer holds a key frame of some cameras at once.
const socketBuffer = 1 << 20

// Addr is where ICE listens. It is called after Listen.
func (s *Server) Addr() net.Addr { return s.udp.LocalAddr() }

// Run runs the sessions until ctx ends, and then ends them.
func (s *Server) Run(ctx context.Context) error {
	group, inner := errgroup.WithContext(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.group = group
	s.mu.Unlock()
	group.Go(func() error { <-ctx.Done(); s.close(); return nil })
	err := group.Wait()
	_ = inner
	return errors.Join(err, s.udpMux.Close(), s.tcpMux.Close(), ignoreClosed(s.tcp.Close()), ignoreClosed(s.udp.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// spawn runs f until it ends; false when the server is closing.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil || s.closed {
		return false
	}
	s.group.Go(func() error { f(); return nil })
	return true
}

// close ends all sessions, so that the other sides see it at once.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*session, 0, len(s.sessions))
	for _, one := range s.sessions {
		all = append(all, one)
	}
	s.mu.Unlock()
	var ended sync.WaitGroup
	for _, one := range all {
		ended.Go(func() { one.end(chunk.Interrupted) })
	}
	ended.Wait()
}

// newID is 128 random bits.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// camera finds a camera's live side, or makes it. The camera must exist: its
// live side is kept.
func (s *Server) camera(name shardlog.StreamName) *camera {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cameras[name]
	if c == nil {
		c = &camera{name: name, now: s.config.Now}
		s.cameras[name] = c
	}
	return c
}

// seen is the live side of a camera, or of one that may not exist: then
// nothing is kept of it.
func (s *Server) seen(name shardlog.StreamName) *camera {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cameras[name]; c != nil {
		return c
	}
	return &camera{name: name, now: s.config.Now}
}

// room reports whether there is room for one more session. Kind Unavailable.
func (s *Server) room() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full()
}

// admit registers a session, unless there are too many. Kind Unavailable.
func (s *Server) admit(one *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.full(); err != nil {
		return err
	}
	s.sessions[one.id] = one
	return nil
}

// full says why there is no room. It is called with mu held.
func (s *Server) full() error {
	pending := 0
	for _, other := range s.sessions {
		if !other.connected.Load() {
			pending++
		}
	}
	if s.closed || s.group == nil || len(s.sessions) >= s.config.MaxSessions || pending >= s.config.MaxPending {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "open session", RetryAfter: 2 * time.Second,
			Err: fmt.Errorf("%d sessions, %d of them not connected", len(s.sessions), pending)}
	}
	return nil
}

// End ends whoever sends a camera, and those who watch it live.
func (s *Server) End(name shardlog.StreamName) {
	s.mu.Lock()
	var all []*session
	for _, one := range s.sessions {
		if one.camera.name == name {
			all = append(all, one)
		}
	}
	s.mu.Unlock()
	for _, one := range all {
		one.end(chunk.Left)
	}
}

// Live reports whether a camera sends to this gateway.
func (s *Server) Live(name shardlog.StreamName) bool {
	s.mu.Lock()
	c := s.cameras[name]
	s.mu.Unlock()
	return c != nil && c.live()
}

func (s *Server) forget(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, one.id)
}

func (s *Server) find(c call) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.sessions[c.r.PathValue("session")]; one != nil && one.camera.name == c.camera && one.role == c.role {
		return one
	}
	return nil
}

// counters are the running totals behind Stats.
type counters struct {
	posts, denied, limited, failed, neverConnected, silent       atomic.Uint64
	packets, bytes, requested, recovered, lost, keyframeRequests atomic.Uint64
	forwarded, channelMessages                                   atomic.Uint64
}

// Stats is what the door has done since it was made.
type Stats struct {
	Sessions         int    `json:"sessions"` // open now
	Publishing       int    `json:"publishing"`
	Watching         int    `json:"watching"`
	Posts            uint64 `json:"posts"`
	Denied           uint64 `json:"denied"`
	Limited          uint64 `json:"limited"`         // requests over a rate or a bound
	NeverConnected   uint64 `json:"never_connected"` // sessions freed because ICE never came up
	Silent           uint64 `json:"silent"`          // sessions freed because nothing came
	Packets          uint64 `json:"packets"`         // RTP received
	Bytes            uint64 `json:"bytes"`
	Lost             uint64 `json:"lost_packets"`      // that never came
	Requested        uint64 `json:"requested_packets"` // asked for again
	KeyframeRequests uint64 `json:"keyframe_requests"`
	Forwarded        uint64 `json:"forwarded_packets"` // to viewers, each once for all of them
	Messages         uint64 `json:"channel_messages"`
}

// Stats is what has been done so far.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{Posts: c.posts.Load(), Denied: c.denied.Load(), Limited: c.limited.Load(), NeverConnected: c.neverConnected.Load(), Silent: c.silent.Load(),
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Lost: c.lost.Load(), Requested: c.requested.Load(),
		KeyframeRequests: c.keyframeRequests.Load(), Forwarded: c.forwarded.Load(), Messages: c.channelMessages.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		st.Sessions++
		if one.publisher != nil {
			st.Publishing++
		} else {
			st.Watching++
		}
	}
	return st
}
