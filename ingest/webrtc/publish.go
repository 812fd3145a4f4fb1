package webrtc

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
	"headgate/shardlog"
)

// publisher is the receiving side of a session.
type publisher struct {
	*session
	recorder *chunk.Recorder

	mu       sync.Mutex
	footage  track.Session    // guarded by mu
	members  map[uint8]*taken // guarded by mu
	ended    bool             // guarded by mu
	lastKey  time.Time        // guarded by mu: a key frame came
	asked    time.Time        // guarded by mu: one was asked for
	wanted   time.Time        // guarded by mu: one is wanted since then, and was not asked for: too soon
	heard    atomic.Int64     // Unix nanoseconds of the latest packet
	budgeted time.Time        // owned by tick

	arrival sync.Once
	quit    context.CancelFunc // ends what waits for the log
}

// taken is one track.
type taken struct {
	remote *webrtc.TrackRemote
	nacks  nacks
	asks   bool // the sender answers to NACK
	lost   uint64
}

// publish opens a session that takes an offer's media.
func (s *Server) publish(ctx context.Context, name shardlog.StreamName, offer string) (*session, string, error) {
	recorder, err := s.config.Recorder(ctx, name)
	if err != nil {
		return nil, "", err
	}
	camera := s.camera(name)
	if camera.fed() {
		return nil, "", &statusError{http.StatusConflict, "the camera is fetched: nobody publishes it"}
	}
	open, quit := context.WithCancel(context.WithoutCancel(ctx))
	p := &publisher{recorder: recorder, members: map[uint8]*taken{}, quit: quit}
	p.footage.Sink = recorder
	p.footage.Expect = strings.Count(offer, "\nm=audio") + strings.Count(offer, "\nm=video")
	one, err := s.newSession(camera, p)
	if err != nil {
		quit()
		return nil, "", err
	}
	one.pc.OnTrack(p.take)
	if s.config.Routes != nil {
		one.pc.OnDataChannel(func(d *webrtc.DataChannel) { p.channel(open, d) })
	}
	answer, err := one.answer(ctx, offer)
	if err == nil && !s.spawn(func() { one.run(p.tick, tickTime) }) {
		err = unavailable("open session", context.Canceled)
	}
	if err != nil {
		one.end(chunk.Left)
		return nil, "", err
	}
	return one, answer, nil
}

// arrive makes a publisher that has connected the camera's source, in place of
// the one before: an offer alone ends nobody.
func (p *publisher) arrive() {
	p.arrival.Do(func() {
		p.heard.Store(p.server.config.Now().UnixNano())
		if !p.camera.take(p.session, p.footage.Expect, p.keyframe, p.session.end) {
			p.endSoon(chunk.Left)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.ended {
			p.camera.leave(p.session)
		}
	})
}

// tickTime is how often a session is looked at; what is missing is also looked
// at whenever a packet comes.
const tickTime = 50 * time.Millisecond

// formatOf is a negotiated codec as package track knows it.
func formatOf(c webrtc.RTPCodecParameters, asks bool) track.Format {
	f := track.Format{Rate: int(c.ClockRate), Channels: int(c.Channels), Patience: nackPatience}
	if !asks {
		f.Patience = 100 * time.Millisecond
	}
	switch strings.ToLower(c.MimeType) {
	case strings.ToLower(webrtc.MimeTypeH264):
		f.Codec = chunk.H264
	case strings.ToLower(webrtc.MimeTypeH265):
		f.Codec = chunk.H265
	case strings.ToLower(webrtc.MimeTypeVP8):
		f.Codec = chunk.VP8
	case strings.ToLower(webrtc.MimeTypeVP9):
		f.Codec = chunk.VP9
	case strings.ToLower(webrtc.MimeTypeAV1):
		f.Codec = chunk.AV1
	case strings.ToLower(webrtc.MimeTypeOpus):
		f.Codec = chunk.Opus
	case strings.ToLower(webrtc.MimeTypePCMU):
		f.Codec = chunk.G711
	case strings.ToLower(webrtc.MimeTypePCMA):
		f.Codec, f.ALaw = chunk.G711, true
	}
	return f
}

// take begins to read a track. pion calls it.
func (p *publisher) take(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	p.arrive()
	codec := remote.Codec()
	asks := false
	for _, f := range codec.RTCPFeedback {
		asks = asks || f.Type == "nack" && f.Parameter == ""
	}
	number, err := p.add(remote, formatOf(codec, asks), asks)
	if err != nil {
		p.server.log.Warn("a track cannot be recorded", "camera", p.camera.name, "error", err)
		p.endSoon(chunk.Left)
		return
	}
	outlet, err := p.camera.outlet(remote.Kind(), codec.RTPCodecCapability)
	if err != nil {
		p.endSoon(chunk.Left)
		return
	}
	p.server.spawn(func() { p.reports(receiver, remote, number) })
	p.server.spawn(func() { p.read(remote, outlet, number) })
	p.keyframe()
}

// add begins a track of the footage. One of a kind is all that was offered;
// a sender that goes on under another SSRC has to come again.
func (p *publisher) add(remote *webrtc.TrackRemote, f track.Format, asks bool) (uint8, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.remote.Kind() == remote.Kind() {
			return 0, badOffer("a second track of kind %s", remote.Kind())
		}
	}
	number, err := p.footage.Add(f)
	if err == nil {
		p.members[number] = &taken{remote: remote, asks: asks}
	}
	return number, err
}

// read takes packets until the session ends.
func (p *publisher) read(remote *webrtc.TrackRemote, outlet *outlet, number uint8) {
	buffer := make([]byte, receiveMTU)
	stats := &p.server.stats
	for {
		n, _, err := remote.Read(buffer)
		if err != nil {
			return
		}
		var packet rtp.Packet
		if packet.Unmarshal(buffer[:n]) != nil {
			continue
		}
		now := p.server.config.Now()
		stats.packets.Add(1)
		stats.bytes.Add(uint64(n))
		p.heard.Store(now.UnixNano())
		payload := bytes.Clone(packet.Payload)
		_ = outlet.write(p.session, packet.Header, payload, now) // a viewer who has gone is noticed by its session
		if p.camera.watching() > 0 {
			stats.forwarded.Add(1)
		}
		p.push(number, track.Packet{Sequence: packet.SequenceNumber, Time: packet.Timestamp, Marker: packet.Marker, Payload: payload}, now)
	}
}

func (p *publisher) push(number uint8, packet track.Packet, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.footage.Push(number, packet, now)
	if m := p.members[number]; m.asks && p.footage.Track(number).Waits() {
		p.request(number, m, now)
	}
}

// request asks for what is missing of a track. It is called with mu held.
func (p *publisher) request(number uint8, m *taken, now time.Time) {
	due := m.nacks.due(p.footage.Track(number).Missing(maxAsked), now)
	if len(due) == 0 {
		return
	}
	p.server.stats.requested.Add(uint64(len(due)))
	ask := &rtcp.TransportLayerNack{MediaSSRC: uint32(m.remote.SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers(due)}
	_ = p.pc.WriteRTCP([]rtcp.Packet{ask}) // the session's end is noticed elsewhere
}

// reports reads what the sender says of its clock.
func (p *publisher) reports(receiver *webrtc.RTPReceiver, remote *webrtc.TrackRemote, number uint8) {
	for {
		packets, _, err := receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, one := range packets {
			r, ok := one.(*rtcp.SenderReport)
			if !ok || r.SSRC != uint32(remote.SSRC()) {
				continue
			}
			p.mu.Lock()
			if !p.ended {
				p.footage.Report(number, r.NTPTime, r.RTPTime, p.server.config.Now())
			}
			p.mu.Unlock()
		}
	}
}

// tick asks for what is missing, and says when the session is of no use.
func (p *publisher) tick(now time.Time) chunk.Reason {
	var out []rtcp.Packet
	p.mu.Lock()
	p.footage.Tick(now)
	for number, m := range p.members {
		t := p.footage.Track(number)
		if m.asks {
			p.request(number, m, now)
		}
		if lost := t.Lost(); lost > m.lost {
			p.server.stats.lost.Add(lost - m.lost)
			m.lost = lost
		}
	}
	wants := p.wantsKey(now)
	p.mu.Unlock()
	if wants {
		p.keyframe()
	}
	if budget := p.budget(now); budget != nil {
		out = append(out, budget)
	}
	if len(out) > 0 {
		_ = p.pc.WriteRTCP(out) // the session's end is noticed elsewhere
	}
	if p.connected.Load() && now.UnixNano()-p.heard.Load() > int64(silentTime) {
		p.server.stats.silent.Add(1)
		return chunk.Silent
	}
	return ""
}

// maxAsked bounds the packets of one request.
const maxAsked = 256

// gop is how long footage goes on without a key frame.
const gop = 2 * time.Second

// wantsKey reports whether a key frame is due. It is called with mu held.
func (p *publisher) wantsKey(now time.Time) bool {
	t := p.footage.Track(chunk.VideoTrack)
	return t != nil && (p.footage.LastKey().Before(p.wanted) || p.footage.Broken() || now.Sub(p.footage.LastKey()) > gop)
}

// keyframe asks the sender for a key frame, not too often: what is too soon is
// asked for later, unless one has come by then.
func (p *publisher) keyframe() {
	now := p.server.config.Now()
	p.mu.Lock()
	m := p.members[chunk.VideoTrack]
	if m == nil || now.Sub(p.asked) < keyEvery {
		if !p.footage.LastKey().Before(p.wanted) {
			p.wanted = now
		}
		p.mu.Unlock()
		return
	}
	p.asked, p.wanted = now, time.Time{}
	p.mu.Unlock()
	p.server.stats.keyframeRequests.Add(1)
	_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(m.remote.SSRC())}}) // asked for again when none comes
}

// keyEvery is the least time between requests for key frames.
const keyEvery = 300 * time.Millisecond

// budget is the message that tells the sender how much it may send, nil when
// it need not be told: what the camera's shard takes, less when the log is
// behind.
func (p *publisher) budget(now time.Time) rtcp.Packet {
	if p.server.config.Ceiling == nil || now.Sub(p.budgeted) < time.Second {
		return nil
	}
	p.budgeted = now
	ceiling := float64(p.server.config.Ceiling(p.camera.name))
	if ceiling <= 0 {
		return nil
	}
	if pressure := p.recorder.Pressure(); pressure > 0.1 {
		ceiling *= max(0.1, 1-pressure)
	}
	r := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: float32(ceiling)}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.remote.Kind() == webrtc.RTPCodecTypeVideo {
			r.SSRCs = append(r.SSRCs, uint32(m.remote.SSRC()))
		}
	}
	if len(r.SSRCs) == 0 {
		return nil
	}
	return r
}

// end ends the footage.
func (p *publisher) end(why chunk.Reason) {
	p.quit()
	p.mu.Lock()
	if !p.ended {
		p.ended = true
		p.footage.End(why, p.server.config.Now())
	}
	p.mu.Unlock()
	p.camera.leave(p.session)
}
