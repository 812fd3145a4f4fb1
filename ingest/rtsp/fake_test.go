package rtsp_test

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// fake is a camera with faults: 25 pictures of H.264 and 50 packets of G.711 a
// second, and a report of each every second.
type fake struct {
	server  *gortsplib.Server
	stream  *gortsplib.ServerStream
	user    string // "": anybody
	answers func(*base.Response)
	mute    bool // no reports
	stray   bool // reports of a sender whose packets never come

	pictures [][][]byte // 25, the first a key frame
	video    *description.Media
	audio    *description.Media
	encoder  *rtph264.Encoder

	// fault changes what is sent in the tick n, of 20 ms; nil: nothing.
	fault func(n int, f *fake)
	// What a fault may change.
	jump    time.Duration // added to RTP times
	once    time.Duration // added to those of the next picture alone
	wall    time.Duration // added to the camera's clock
	skip    uint16        // packets of sound that get lost on the way
	renew   uint16        // subtracted from the pictures' sequence numbers
	tell    bool          // a report is due
	twice   bool          // the next picture has the stamp of the one before
	stamped uint32

	mu      sync.Mutex
	playing int // guarded by mu
}

const fakePassword = "open sesame"

// newFake serves on an address, the encrypting if the server has a TLSConfig.
func newFake(t *testing.T, address string, server *gortsplib.Server) *fake {
	t.Helper()
	f := &fake{server: server, pictures: filmed(t), encoder: &rtph264.Encoder{PayloadType: 96, PacketizationMode: 1}}
	if err := f.encoder.Init(); err != nil {
		t.Fatal(err)
	}
	f.video = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{PayloadTyp: 96, PacketizationMode: 1}}}
	f.audio = &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}}}
	server.RTSPAddress, server.Handler, server.DisableRTCPSenderReports = address, f, true
	if server.UDPRTPAddress != "" { // any two ports in a row
		server.UDPRTPAddress, server.UDPRTCPAddress = twoPorts(t)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	f.stream = &gortsplib.ServerStream{Server: server, Desc: &description.Session{Medias: []*description.Media{f.video, f.audio}}}
	if err := f.stream.Initialize(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.run(ctx) }()
	t.Cleanup(func() { stop(); <-done; f.close() })
	return f
}

func (f *fake) close() { f.stream.Close(); f.server.Close() }

func (f *fake) port() int { return f.server.NetListener().Addr().(*net.TCPAddr).Port }

func twoPorts(t *testing.T) (even, odd string) {
	t.Helper()
	for port := 20000; port < 32000; port += 2 {
		a, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		b, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)))
		_ = a.Close()
		if err == nil {
			_ = b.Close()
			return a.LocalAddr().String(), b.LocalAddr().String()
		}
	}
	t.Fatal("no two ports")
	return "", ""
}

// filmed is a second of a test picture by x264.
func filmed(t *testing.T) (all [][][]byte) {
	t.Helper()
	stream, err := exec.Command(need(t, "ffmpeg", "apt-get install ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=1", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-bf", "0", "-g", "25", "-x264-params", "aud=1:scenecut=0", "-f", "h264", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range bytes.Split(stream, []byte{0, 0, 1}) {
		n = bytes.TrimRight(n, "\x00")
		switch {
		case len(n) == 0:
		case n[0]&0x1f == 9: // a delimiter
			all = append(all, nil)
		default:
			all[len(all)-1] = append(all[len(all)-1], n)
		}
	}
	return all
}

// run sends while somebody plays.
func (f *fake) run(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var sound uint16
	begun, n := time.Time{}, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.mu.Lock()
		playing := f.playing > 0
		f.mu.Unlock()
		if !playing {
			begun, n = time.Time{}, 0
			continue
		}
		if begun.IsZero() {
			begun = time.Now()
		}
		for ; time.Since(begun) >= time.Duration(n)*20*time.Millisecond; n++ {
			if f.fault != nil {
				f.fault(n, f)
			}
			at := time.Duration(n) * 20 * time.Millisecond
			wall := begun.Add(at).Add(f.wall)
			f.tell = f.tell || n%50 == 6
			if n%2 == 0 {
				f.picture(at, n/2, wall)
			}
			f.sound(at, sound, wall)
			sound++
			f.tell = false
		}
	}
}

func (f *fake) picture(at time.Duration, n int, wall time.Time) {
	packets, err := f.encoder.Encode(f.pictures[n%len(f.pictures)])
	if err != nil {
		panic(err) // they are whole
	}
	stamp := uint32((at + f.jump + f.once).Milliseconds() * 90)
	if f.twice {
		stamp = f.stamped
	}
	f.stamped, f.once, f.twice = stamp, 0, false
	for _, p := range packets {
		p.Timestamp = stamp
		p.SequenceNumber -= f.renew
		_ = f.stream.WritePacketRTP(f.video, p) // a player who has gone is none of ours
	}
	f.report(f.video, packets[0], wall)
}

func (f *fake) sound(at time.Duration, n uint16, wall time.Time) {
	if f.skip > 0 {
		f.skip--
		return
	}
	payload := make([]byte, 160)
	for i := range payload {
		payload[i] = 0xd5 // silence
	}
	p := &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: n, Timestamp: uint32((at + f.jump).Milliseconds() * 8)}, Payload: payload}
	_ = f.stream.WritePacketRTP(f.audio, p) // as in picture
	f.report(f.audio, p, wall)
}

func (f *fake) report(media *description.Media, p *rtp.Packet, wall time.Time) {
	if f.mute || !f.tell {
		return
	}
	ntp := uint64(wall.Unix()+2_208_988_800)<<32 | uint64(wall.Nanosecond())<<32/1e9
	if f.stray {
		_ = f.stream.WritePacketRTCP(media, &rtcp.SenderReport{SSRC: p.SSRC + 1, NTPTime: ntp, RTPTime: p.Timestamp + 123456789})
	}
	_ = f.stream.WritePacketRTCP(media, &rtcp.SenderReport{SSRC: p.SSRC, NTPTime: ntp, RTPTime: p.Timestamp})
}

func (f *fake) refused(c *gortsplib.ServerConn, r *base.Request) *base.Response {
	if f.user != "" && !c.VerifyCredentials(r, f.user, fakePassword) {
		return &base.Response{StatusCode: base.StatusUnauthorized}
	}
	return nil
}

// OnDescribe is asked by gortsplib, as are those below.
func (f *fake) OnDescribe(c *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if r := f.refused(c.Conn, c.Request); r != nil {
		return r, nil, liberrors.ErrServerAuth{}
	}
	return &base.Response{StatusCode: base.StatusOK}, f.stream, nil
}

func (f *fake) OnSetup(c *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if r := f.refused(c.Conn, c.Request); r != nil {
		return r, nil, liberrors.ErrServerAuth{}
	}
	return &base.Response{StatusCode: base.StatusOK}, f.stream, nil
}

func (f *fake) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.playing++
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (f *fake) OnSessionClose(*gortsplib.ServerHandlerOnSessionCloseCtx) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.playing = max(0, f.playing-1)
}

func (f *fake) OnResponse(_ *gortsplib.ServerConn, r *base.Response) {
	if f.answers != nil {
		f.answers(r)
	}
}
