package camera

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

const (
	connectTime = 15 * time.Second // from the answer to media
	lingerTime  = 200 * time.Millisecond
	deleteTime  = 3 * time.Second
)

// session is one publication, from the offer to the DELETE.
type session struct {
	whip         whip
	conn         net.PacketConn
	pc           *webrtc.PeerConnection
	video, audio *track // nil: the camera has none
	url          string // where it is deleted, empty before the answer

	connected, gone           chan struct{} // closed when it happens
	connectedOnce, goneClosed sync.Once
}

// open makes a session that has tracks and a socket and nothing else. The
// socket is bound to the address that the endpoint is reached from, so that a
// camera on loopback offers loopback alone.
func (c *Camera) open(ctx context.Context) (*session, error) {
	ip, err := localIP(ctx, c.conf.Endpoint)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err != nil {
		return nil, err
	}
	s := &session{whip: newWHIP(c.conf.Token), conn: conn, connected: make(chan struct{}), gone: make(chan struct{})}
	settings := webrtc.SettingEngine{}
	settings.SetICEUDPMux(webrtc.NewICEUDPMux(silence().NewLogger("ice"), lossyConn{conn, c.way}))
	settings.SetIncludeLoopbackCandidate(ip.IsLoopback())
	settings.SetICETimeouts(3*time.Second, 7*time.Second, time.Second)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	api, err := newAPI(settings, c.largest(), c.conf.Audio)
	if err == nil {
		s.pc, err = api.NewPeerConnection(webrtc.Configuration{})
	}
	if err == nil {
		err = c.addTracks(s)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.pc.OnConnectionStateChange(s.changed)
	return s, nil
}

// largest is the video at the largest size that the script brings.
func (c *Camera) largest() Video {
	v := c.video
	for _, step := range c.conf.Script {
		if step.Width*step.Height > v.Width*v.Height {
			v.Width, v.Height = step.Width, step.Height
		}
	}
	return v
}

// localIP is the address from which the host of a URL is reached.
func localIP(ctx context.Context, endpoint string) (net.IP, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP, nil
}

func (c *Camera) addTracks(s *session) (err error) {
	if !c.conf.Video.Off {
		if s.video, err = c.addTrack(s.pc, c.largest().capability(), "video"); err != nil {
			return err
		}
	}
	if c.conf.Audio != NoSound {
		s.audio, err = c.addTrack(s.pc, c.conf.Audio.capability(), "audio")
	}
	return err
}

func (c *Camera) addTrack(pc *webrtc.PeerConnection, codec webrtc.RTPCodecCapability, name string) (*track, error) {
	local, err := webrtc.NewTrackLocalStaticRTP(codec, name, "camera")
	if err != nil {
		return nil, err
	}
	transceiver, err := pc.AddTransceiverFromTrack(local, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	return &track{
		local: local, sender: transceiver.Sender(), rate: int(codec.ClockRate),
		base: c.random.Uint32(), sequence: uint16(c.random.Uint32()),
	}, nil
}

func (s *session) changed(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.connectedOnce.Do(func() { close(s.connected) })
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		s.goneClosed.Do(func() { close(s.gone) })
	}
}

// connect exchanges offer and answer and waits until media may flow.
func (s *session) connect(ctx context.Context, endpoint string) error {
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("make an offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("make an offer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	answer, location, err := s.whip.offer(ctx, endpoint, s.pc.LocalDescription().SDP)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	s.url = location
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	if err := accepted(description); err != nil {
		return err
	}
	if err := s.pc.SetRemoteDescription(description); err != nil {
		return fmt.Errorf("take the answer: %w", err)
	}
	timer := time.NewTimer(connectTime)
	defer timer.Stop()
	select {
	case <-s.connected:
		return nil
	case <-s.gone:
		return errors.New("connect: ICE or DTLS failed")
	case <-timer.C:
		return fmt.Errorf("connect: no connection within %v", connectTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accepted says whether an answer takes all tracks.
func accepted(answer webrtc.SessionDescription) error {
	parsed, err := answer.Unmarshal()
	if err != nil {
		return fmt.Errorf("take the answer: %w", err)
	}
	for _, media := range parsed.MediaDescriptions {
		_, inactive := media.Attribute("inactive")
		if media.MediaName.Port.Value == 0 || inactive {
			return fmt.Errorf("the server refuses the %s track", media.MediaName.Media)
		}
	}
	return nil
}

// end ends the session as a well-behaved camera does: what the server still
// misses is sent again, the session is deleted, the connection closed.
func (s *session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingerTime+deleteTime)
	defer cancel()
	select {
	case <-s.gone:
	default:
		wait(ctx, lingerTime)
	}
	var err error
	if s.url != "" {
		err = s.whip.end(ctx, s.url)
	}
	s.close()
	return err
}

// vanish ends it without a word.
func (s *session) vanish() {
	_ = s.conn.Close()
	s.close()
}

// close frees what the session holds. Errors are of no use: all of it is over.
func (s *session) close() {
	if s.pc != nil {
		_ = s.pc.GracefulClose()
	}
	_ = s.conn.Close()
}
