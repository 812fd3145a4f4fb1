package webrtc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// replay sends stored footage to one viewer at the pace at which it was made.
type replay struct {
	session *session
	from    int64 // what lies before is sent at once: it is only needed to decode
	speed   float64
	tracks  map[uint8]*played

	began time.Time // when base was due
	base  int64     // milliseconds since 1970
	last  int64     // time of the latest frame
}

// played is one track of a replay.
type played struct {
	chunk.Track
	local     *webrtc.TrackLocalStaticRTP
	payloader rtp.Payloader
	rate      int64
	seq       uint16
}

// Packets of a replay.
const (
	payloadBytes = 1180                   // of one packet
	maxPause     = 2 * time.Second        // a longer hole in the footage is skipped
	leadTime     = 60 * time.Second       // how far ahead of a viewer that is slow nothing is sent
	packetTime   = 100 * time.Microsecond // between packets that are sent at once: sockets take no more
)

// watchLog opens a replay from a time on; it goes on into what is recorded
// meanwhile.
func (s *session) watchLog(ctx context.Context, offer string, from int64, speed float64) (string, error) {
	footage := s.server.config.Footage(s.camera.name)
	key, err := footage.Key(ctx, from)
	if err != nil {
		return "", err
	}
	r := &replay{session: s, from: from, speed: speed, tracks: map[uint8]*played{}}
	for _, t := range key.Tracks {
		kind := "audio"
		if t.Codec.Video() {
			kind = "video"
		}
		p := newPlayed(t, string(s.camera.name))
		if p == nil || !offers(offer, kind) || kind == "audio" && speed != 1 {
			continue
		}
		if err := s.send(p.local, func() {}); err != nil { // the next key frame comes when it comes
			return "", err
		}
		r.tracks[t.Number] = p
	}
	if len(r.tracks) == 0 {
		return "", badOffer("the camera has stored nothing of what is offered")
	}
	answer, err := s.answer(ctx, offer)
	if err != nil {
		return "", err
	}
	quit, stop := context.WithCancel(context.WithoutCancel(ctx))
	playing := s.server.spawn(func() { r.run(quit, footage, key.Seq) })
	if !playing || !s.server.spawn(func() {
		defer stop()
		s.run(func(time.Time) chunk.Reason { return "" }, time.Second)
	}) {
		stop()
		return "", unavailable("open session", context.Canceled)
	}
	return answer, nil
}

// newPlayed makes the sending end of a stored track; nil when it cannot be sent.
func newPlayed(t chunk.Track, stream string) *played {
	p := &played{Track: t, rate: videoRate}
	c := webrtc.RTPCodecCapability{ClockRate: videoRate}
	switch t.Codec {
	case chunk.VP8:
		c.MimeType, p.payloader = webrtc.MimeTypeVP8, &codecs.VP8Payloader{EnablePictureID: true}
	case chunk.VP9:
		c.MimeType, c.SDPFmtpLine, p.payloader = webrtc.MimeTypeVP9, "profile-id=0", &codecs.VP9Payloader{}
	case chunk.AV1:
		c.MimeType, p.payloader = webrtc.MimeTypeAV1, &codecs.AV1Payloader{}
	case chunk.H264:
		c.MimeType, p.payloader = webrtc.MimeTypeH264, &codecs.H264Payloader{}
		c.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
		if len(t.Private) > 3 {
			c.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + hex.EncodeToString(t.Private[1:4])
		}
	case chunk.H265:
		c.MimeType, p.payloader = webrtc.MimeTypeH265, &codecs.H265Payloader{}
	case chunk.Opus:
		c = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
		p.payloader, p.rate = &codecs.OpusPayloader{}, 48000
	case chunk.G711:
		c = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}
		if len(t.Private) > 0 && t.Private[0] == 6 {
			c.MimeType = webrtc.MimeTypePCMA
		}
		p.payloader, p.rate = &codecs.G711Payloader{}, 8000
	default:
		return nil
	}
	kind := "audio"
	if t.Codec.Video() {
		kind = "video"
	}
	local, err := webrtc.NewTrackLocalStaticRTP(c, kind, stream)
	if err != nil {
		return nil
	}
	p.local = local
	return p
}

// run plays parts until the session ends.
func (r *replay) run(ctx context.Context, footage *chunk.Footage, from shardlog.Seq) {
	for !r.session.connected.Load() { // nothing arrives before
		if !r.pause(ctx, 10*time.Millisecond) {
			return
		}
	}
	for p, err := range footage.Follow(ctx, from) {
		if err != nil {
			if ctx.Err() == nil {
				r.session.endSoon(chunk.Silent)
			}
			return
		}
		for _, t := range p.Tracks {
			if played := r.tracks[t.Number]; played != nil && played.Codec != t.Codec {
				r.session.endSoon(chunk.Changed) // the viewer comes again and negotiates anew
				return
			}
		}
		for _, f := range p.Frames {
			if !r.play(ctx, f) {
				return
			}
		}
	}
}

// play sends one frame when it is due.
func (r *replay) play(ctx context.Context, f chunk.Frame) bool {
	t := r.tracks[f.Track]
	if t == nil {
		return true
	}
	if f.At >= r.from {
		now := time.Now()
		if r.began.IsZero() || f.At-r.last > maxPause.Milliseconds() {
			r.began, r.base = now, f.At
		}
		due := r.began.Add(time.Duration(float64(f.At-r.base)/r.speed) * time.Millisecond)
		if wait := due.Sub(now); wait > 0 && !r.pause(ctx, wait) {
			return false
		}
		r.last = f.At
	}
	if packets := t.write(f, r.speed); f.At < r.from {
		return r.pause(ctx, time.Duration(packets)*packetTime)
	}
	return true
}

func (r *replay) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(min(d, leadTime))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-r.session.done:
	}
	return false
}

// write sends a frame, and answers in how many packets.
func (p *played) write(f chunk.Frame, speed float64) int {
	data := f.Data
	if p.Codec == chunk.H264 || p.Codec == chunk.H265 {
		data = annexB(data)
	}
	stamp := uint32(int64(float64(f.At%(1<<40))/speed) * p.rate / 1000)
	payloads := p.payloader.Payload(payloadBytes, data)
	for i, payload := range payloads {
		h := rtp.Header{Version: 2, SequenceNumber: p.seq, Timestamp: stamp, Marker: i == len(payloads)-1 && p.Codec.Video()}
		p.seq++
		_ = p.local.WriteRTP(&rtp.Packet{Header: h, Payload: payload}) // a viewer who has gone is noticed by its session
	}
	return len(payloads)
}

// annexB puts start codes where lengths stand.
func annexB(data []byte) []byte {
	var b bytes.Buffer
	for len(data) >= 4 {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-4 {
			break
		}
		b.Write([]byte{0, 0, 0, 1})
		b.Write(data[4 : 4+n])
		data = data[4+n:]
	}
	return b.Bytes()
}
