package camera

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Viewer watches a camera by WHEP, and notes when each picture came. It
// decodes nothing. Run is called once; the other methods are safe at any time.
type Viewer struct {
	Endpoint string // URL that offers are posted to
	Token    string // bearer token; empty: none is shown

	mu       sync.Mutex
	pictures []Picture // guarded by mu
	sound    int       // guarded by mu: packets
	packets  int       // guarded by mu: of video
}

// Picture is one access unit of video as it came.
type Picture struct {
	Stamp   uint32    // RTP time
	Arrived time.Time // its last packet
	Key     bool
}

// maxPictures bounds what a Viewer remembers.
const maxPictures = 65536

// Pictures are those that came whole, in order.
func (v *Viewer) Pictures() []Picture {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]Picture(nil), v.pictures...)
}

// Packets is how many packets came, of video and of sound.
func (v *Viewer) Packets() (video, sound int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.packets, v.sound
}

// Run watches until the context ends.
func (v *Viewer) Run(ctx context.Context) error {
	ip, err := localIP(ctx, v.Endpoint)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err != nil {
		return err
	}
	s := &session{whip: newWHIP(v.Token), conn: conn, connected: make(chan struct{}), gone: make(chan struct{})}
	defer s.close()
	settings := webrtc.SettingEngine{LoggerFactory: silence()}
	settings.SetICEUDPMux(webrtc.NewICEUDPMux(silence().NewLogger("ice"), conn))
	settings.SetIncludeLoopbackCandidate(ip.IsLoopback())
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return err
	}
	s.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := s.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			return err
		}
	}
	s.pc.OnTrack(v.take)
	s.pc.OnConnectionStateChange(s.changed)
	if err := s.watch(ctx, v.Endpoint); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-s.gone:
		return fmt.Errorf("the connection is gone")
	}
	return s.end(ctx)
}

// watch is connect for somebody who takes what there is.
func (s *session) watch(ctx context.Context, endpoint string) error {
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	answer, location, err := s.whip.offer(ctx, endpoint, s.pc.LocalDescription().SDP)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	s.url = location
	return s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// take reads a track until it ends. pion calls it.
func (v *Viewer) take(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	video := remote.Kind() == webrtc.RTPCodecTypeVideo
	buffer := make([]byte, 1600)
	key := false
	for {
		n, _, err := remote.Read(buffer)
		if err != nil {
			return
		}
		var p rtp.Packet
		if p.Unmarshal(buffer[:n]) != nil || len(p.Payload) < 2 {
			continue
		}
		v.mu.Lock()
		if !video {
			v.sound++
			v.mu.Unlock()
			continue
		}
		v.packets++
		key = key || isKey(p.Payload)
		if p.Marker {
			if len(v.pictures) < maxPictures {
				v.pictures = append(v.pictures, Picture{Stamp: p.Timestamp, Arrived: time.Now(), Key: key})
			}
			key = false
		}
		v.mu.Unlock()
	}
}

// isKey reports whether a packet of H.264 (RFC 6184) begins a key frame.
func isKey(payload []byte) bool {
	switch payload[0] & 0x1f {
	case 5, 7, 24: // an IDR slice; an SPS; several units, which here begin with an SPS
		return true
	case 28:
		return payload[1]&0x1f == 5
	}
	return false
}

// Delays are how long pictures took from the camera to the viewer: its first
// key frame is the latest that the camera had sent by then, and the others
// follow by their RTP times.
func (v *Viewer) Delays(ledger []Frame) []time.Duration {
	pictures := v.Pictures()
	for len(pictures) > 0 && !pictures[0].Key {
		pictures = pictures[1:]
	}
	if len(pictures) == 0 {
		return nil
	}
	first := -1
	for i, f := range ledger {
		if f.Key && f.UnixMilli <= pictures[0].Arrived.UnixMilli() {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	sent := map[int64]bool{}
	for _, f := range ledger[first:] {
		sent[f.UnixMilli] = true
	}
	var all []time.Duration
	for _, p := range pictures {
		at := ledger[first].UnixMilli + int64(int32(p.Stamp-pictures[0].Stamp))/90
		for _, near := range []int64{at, at + 1, at - 1} { // times are in milliseconds, stamps finer
			if sent[near] {
				all = append(all, p.Arrived.Sub(time.UnixMilli(near)))
				break
			}
		}
	}
	return all
}
