package webrtc_test

import (
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// TestTheSenderIsToldHowMuchItMaySend: by REMB, once a second.
func TestTheSenderIsToldHowMuchItMaySend(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.Ceiling = func(shardlog.StreamName) int { return 500_000 } })
	pc := peer(t)
	local, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000}, "video", "x")
	if err != nil {
		t.Fatal(err)
	}
	sending, err := pc.AddTransceiverFromTrack(local, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan float32, 16)
	go func() { // ends with the connection
		for {
			packets, _, err := sending.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, one := range packets {
				if remb, ok := one.(*rtcp.ReceiverEstimatedMaximumBitrate); ok {
					told <- remb.Bitrate
				}
			}
		}
	}()
	a := r.ask("POST", "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	seq := uint16(0)
	until(t, "a bit rate is told", func() bool {
		seq++
		_ = local.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: uint32(seq) * 1800}, Payload: []byte{0x10, 1, 2, 3}})
		select {
		case bits := <-told:
			return bits > 450_000 && bits <= 500_000
		default:
			return false
		}
	})
}
