package camera

import (
	"errors"
	"io"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	videoType, rtxType, opusType = 102, 103, 111
	videoRate                    = 90000
	packetSize                   = 1200       // bytes of payload at most
	resendable                   = 4096       // packets that are kept for NACKs, a power of two
	ntpEpoch                     = 2208988800 // 1900 to 1970 in seconds
)

// track is one outgoing track. It is owned by the session's player.
type track struct {
	local    *webrtc.TrackLocalStaticRTP
	sender   *webrtc.RTPSender
	rate     int
	base     uint32 // the timestamp at the session's origin
	sequence uint16
	packets  uint32
	octets   uint32
}

// send sends one frame in its packets; mark sets the marker of the last.
func (t *track) send(payloads [][]byte, timestamp uint32, mark bool) error {
	for i, payload := range payloads {
		header := rtp.Header{Version: 2, SequenceNumber: t.sequence, Timestamp: timestamp, Marker: mark && i == len(payloads)-1}
		t.sequence++
		t.packets++
		t.octets += uint32(len(payload))
		if err := t.local.WriteRTP(&rtp.Packet{Header: header, Payload: payload}); err != nil {
			return errors.Join(errGone, err)
		}
	}
	return nil
}

// report is a sender report that maps the track's timestamps to the camera's
// clock without error: origin is the time of the base, now the present.
func (t *track) report(origin, now time.Time) rtcp.Packet {
	since := now.Sub(origin)
	fraction := uint64(now.Nanosecond()) << 32 / uint64(time.Second)
	return &rtcp.SenderReport{
		SSRC:        uint32(t.sender.GetParameters().Encodings[0].SSRC),
		NTPTime:     uint64(now.Unix()+ntpEpoch)<<32 | fraction,
		RTPTime:     t.base + uint32(int64(since.Seconds()*float64(t.rate))),
		PacketCount: t.packets,
		OctetCount:  t.octets,
	}
}

// newAPI makes a WebRTC stack that knows the camera's codecs alone and answers
// NACKs of both kinds of track.
func newAPI(settings webrtc.SettingEngine, video Video, sound Sound) (*webrtc.API, error) {
	settings.LoggerFactory = silence()
	media := &webrtc.MediaEngine{}
	if !video.Off {
		if err := registerVideo(media, video); err != nil {
			return nil, err
		}
	}
	if sound != NoSound {
		if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: sound.capability(), PayloadType: sound.payloadType()},
			webrtc.RTPCodecTypeAudio); err != nil {
			return nil, err
		}
	}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(resendable), nack.WithResponderLoggerFactory(settings.LoggerFactory))
	if err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	registry.Add(responder)
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(registry)), nil
}

func registerVideo(media *webrtc.MediaEngine, v Video) error {
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: v.capability(), PayloadType: videoType},
		webrtc.RTPCodecTypeVideo); err != nil {
		return err
	}
	return media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: videoRate, SDPFmtpLine: "apt=102"},
		PayloadType:        rtxType,
	}, webrtc.RTPCodecTypeVideo)
}

// capability describes the video to WebRTC.
func (v Video) capability() webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: videoRate,
		SDPFmtpLine:  "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profileLevel(v),
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}},
	}
}

// capability describes the sound to WebRTC.
func (s Sound) capability() webrtc.RTPCodecCapability {
	c := webrtc.RTPCodecCapability{ClockRate: uint32(s.rate()), RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}}}
	switch s {
	case PCMU:
		c.MimeType = webrtc.MimeTypePCMU
	case PCMA:
		c.MimeType = webrtc.MimeTypePCMA
	default:
		c.MimeType, c.Channels, c.SDPFmtpLine = webrtc.MimeTypeOpus, 2, "minptime=10;useinbandfec=1"
	}
	return c
}

// payloadType is the static one of G.711, and the usual one of Opus.
func (s Sound) payloadType() webrtc.PayloadType {
	switch s {
	case PCMU:
		return 0
	case PCMA:
		return 8
	}
	return opusType
}

// silence makes loggers that say nothing.
func silence() logging.LoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}
