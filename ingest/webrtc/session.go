package webrtc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// session is one PeerConnection: somebody who publishes or who watches.
type session struct {
	id        string
	server    *Server
	camera    *camera
	role      Role
	pc        *webrtc.PeerConnection
	publisher *publisher // nil: a viewer
	began     time.Time
	connected atomic.Bool
	done      chan struct{} // closed when it has ended
	once      sync.Once
	why       chan chunk.Reason // of capacity 1: it should end

	negotiating sync.Mutex // held while answering

	mu    sync.Mutex
	offer string // guarded by mu: as it stands, for restarts
	etag  string // guarded by mu
	known int    // guarded by mu: candidates that came by fragments
}

// newSession opens a session, of somebody who watches when p is nil. It can be
// ended from the moment on at which it is admitted.
func (s *Server) newSession(camera *camera, p *publisher) (*session, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	one := &session{id: newID(), server: s, camera: camera, role: View, began: time.Now(), done: make(chan struct{}), why: make(chan chunk.Reason, 1)}
	if p != nil {
		one.role, one.publisher, p.session = Publish, p, one
	}
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{s.identity}})
	if err != nil {
		return nil, err
	}
	one.pc = pc
	if err := s.admit(one); err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			one.connected.Store(true)
			switch {
			case p != nil:
				p.arrive()
			case camera.shows(one):
				camera.keyframe()
			}
		case webrtc.PeerConnectionStateFailed:
			one.endSoon(chunk.Silent)
		case webrtc.PeerConnectionStateClosed:
			one.endSoon(chunk.Left)
		}
	})
	return one, nil
}

// answer negotiates. It answers with all candidates. Kind Invalid: the offer
// cannot be met as a whole.
func (s *session) answer(ctx context.Context, offer string) (string, error) {
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", badOffer("%w", err)
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return "", badOffer("%w", err)
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return "", badOffer("%w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	text := tidyAnswer(s.pc.LocalDescription().SDP)
	if err := s.checkAnswer(text); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offer, s.etag = offer, newID()
	return text, nil
}

// tag is the present entity tag, for If-Match.
func (s *session) tag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return `"` + s.etag + `"`
}

// trickle adds candidates. Those that cannot be used, or are too many, are
// passed over.
func (s *session) trickle(f fragment) {
	s.mu.Lock()
	take := min(len(f.candidates), sessionCandidates-s.known)
	s.known += take
	s.mu.Unlock()
	for _, c := range f.candidates[:take] {
		index := uint16(0)
		init := webrtc.ICECandidateInit{Candidate: c.line, SDPMLineIndex: &index}
		if c.mid != "" {
			init = webrtc.ICECandidateInit{Candidate: c.line, SDPMid: &c.mid}
		}
		_ = s.pc.AddICECandidate(init) // the draft wants silence
	}
}

// restart begins ICE anew and answers the fragment with our credentials. The
// session goes on as before when it fails.
func (s *session) restart(ctx context.Context, f fragment) (string, error) {
	s.negotiating.Lock()
	defer s.negotiating.Unlock()
	s.mu.Lock()
	offer := restartOffer(s.offer, f)
	s.mu.Unlock()
	text, err := s.answer(ctx, offer)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.known = 0 // those before are forgotten
	s.mu.Unlock()
	s.trickle(f)
	return fragmentOf(text), nil
}

// endSoon asks for the end; run brings it about.
func (s *session) endSoon(why chunk.Reason) {
	select {
	case s.why <- why:
	default:
	}
}

// end ends the session, once, and waits until it has.
func (s *session) end(why chunk.Reason) {
	s.once.Do(func() {
		if s.publisher != nil {
			s.publisher.end(why)
		}
		s.camera.part(s)
		s.server.forget(s)
		if err := s.pc.GracefulClose(); err != nil && !errors.Is(err, webrtc.ErrConnectionClosed) {
			s.server.log.Debug("close session", "camera", s.camera.name, "error", err)
		}
		close(s.done)
	})
	<-s.done
}

// How long a session may be of no use.
const (
	connectTime = 15 * time.Second // without a connection
	silentTime  = 10 * time.Second // without a packet, or without a source
)

// run keeps a session until it ends, and calls tick every so often.
func (s *session) run(tick func(now time.Time) chunk.Reason, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case why := <-s.why:
			s.end(why)
			return
		case <-s.done:
			return
		case <-ticker.C:
			now := s.server.config.Now()
			if !s.connected.Load() && time.Since(s.began) > connectTime {
				s.server.stats.neverConnected.Add(1)
				s.end(chunk.Silent)
				return
			}
			if why := tick(now); why != "" {
				s.end(why)
				return
			}
		}
	}
}

// checkAnswer wants every description of a publisher's offer accepted: nothing
// is taken in part (RFC 9725 §4.2). A viewer must be able to see what we send.
func (s *session) checkAnswer(answer string) error {
	for line := range strings.Lines(answer) {
		kind, isMedia := strings.CutPrefix(line, "m=")
		words := strings.Fields(kind)
		if !isMedia || len(words) < 2 || words[1] != "0" {
			continue
		}
		if s.role == Publish || s.sends(words[0]) {
			return badOffer("no codec for %s that both sides know", words[0])
		}
	}
	return nil
}

// sends reports whether we have a track of that kind for the other side.
func (s *session) sends(kind string) bool {
	for _, one := range s.pc.GetSenders() {
		if t := one.Track(); t != nil && t.Kind().String() == kind {
			return true
		}
	}
	return false
}

func unavailable(op string, why error) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, RetryAfter: 2 * time.Second, Err: why}
}
