package webrtc

import (
	"encoding/hex"
	"errors"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
	"headgate/shardlog"
)

// Feed lets those who watch a camera see what comes in by another door: write
// is called with the index of a packet's format, end when no more will come.
// It records nothing. Whoever publishes the camera is ended, and nobody else may
// until end is called.
func (s *Server) Feed(name shardlog.StreamName, formats []track.Format) (write func(i int, p track.Packet), end func(), err error) {
	c := s.camera(name)
	source := new(byte) // told from others by its address
	c.take(source, len(formats), func() {}, func(chunk.Reason) {})
	var outlets []*outlet
	for _, f := range formats {
		codec, kind, ok := codecOf(f)
		if !ok {
			outlets = append(outlets, nil) // browsers do not play it
			continue
		}
		o, err := c.outlet(kind, codec)
		if err != nil {
			c.leave(source)
			return nil, nil, errors.Join(errors.New("webrtc: feed"), err)
		}
		outlets = append(outlets, o)
	}
	write = func(i int, p track.Packet) {
		if o := outlets[i]; o != nil && len(p.Payload) <= maxForwarded {
			h := rtp.Header{SequenceNumber: p.Sequence, Timestamp: p.Time, Marker: p.Marker}
			_ = o.write(source, h, p.Payload, s.config.Now()) // a viewer who has gone is noticed by its session
			if c.watching() > 0 {
				s.stats.forwarded.Add(1)
			}
		}
	}
	return write, func() { c.leave(source) }, nil
}

// maxForwarded is the largest payload that fits into a datagram of SRTP.
const maxForwarded = 1400

// codecOf is a format as WebRTC negotiates it; false for one that it lacks.
func codecOf(f track.Format) (webrtc.RTPCodecCapability, webrtc.RTPCodecType, bool) {
	c := webrtc.RTPCodecCapability{ClockRate: uint32(f.Rate)}
	switch f.Codec {
	case chunk.H264:
		c.MimeType, c.SDPFmtpLine = webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
		if len(f.Sets) > 0 && len(f.Sets[0]) > 3 {
			c.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + hex.EncodeToString(f.Sets[0][1:4])
		}
	case chunk.H265:
		c.MimeType = webrtc.MimeTypeH265
	case chunk.VP8:
		c.MimeType = webrtc.MimeTypeVP8
	case chunk.VP9:
		c.MimeType, c.SDPFmtpLine = webrtc.MimeTypeVP9, "profile-id=0"
	case chunk.AV1:
		c.MimeType = webrtc.MimeTypeAV1
	case chunk.Opus:
		c.MimeType, c.Channels = webrtc.MimeTypeOpus, 2
	case chunk.G711:
		c.MimeType = webrtc.MimeTypePCMU
		if f.ALaw {
			c.MimeType = webrtc.MimeTypePCMA
		}
	default:
		return c, 0, false
	}
	if f.Codec.Video() {
		return c, webrtc.RTPCodecTypeVideo, true
	}
	return c, webrtc.RTPCodecTypeAudio, true
}
