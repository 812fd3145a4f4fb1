package webrtc_test

import (
	"context"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest/chunk"
	"headgate/ingest/webrtc"
)

// TestHowSessionsEnd: what ends a session is the reason of the gap behind it.
func TestHowSessionsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	video := camera.Video{Width: 320, Height: 180}
	_, stop := r.film(camera.Config{Video: video})
	until(t, "a first take", func() bool { return len(r.spans()) == 1 })
	stop() // says goodbye
	until(t, "no session", func() bool { return r.Stats().Sessions == 0 })
	_, stop = r.film(camera.Config{Video: video, Script: []camera.Step{{After: 2 * time.Second, Vanish: true, Pause: time.Minute}}})
	until(t, "a second take", func() bool { return len(r.spans()) == 2 })
	until(t, "the one that vanished is noticed", func() bool { return r.Stats().Sessions == 0 })
	stop()
	_, first := r.film(camera.Config{Video: video, Pause: time.Minute})
	until(t, "a third take", func() bool { return len(r.spans()) == 3 })
	r.film(camera.Config{Video: video}) // takes its place
	until(t, "a fourth take", func() bool { return len(r.spans()) == 4 })
	first()
	r.stop()
	var why []chunk.Reason
	for _, s := range r.spans() {
		why = append(why, s.Why)
	}
	if want := []chunk.Reason{chunk.First, chunk.Left, chunk.Silent, chunk.Left}; !slices.Equal(why, want) {
		t.Errorf("%v, want %v", why, want)
	}
	if n := r.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions outlive the door", n)
	}
}

// TestAViewerStaysWhenTheCameraComesBack: its session goes on with the next
// source of the same codec.
func TestAViewerStaysWhenTheCameraComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cam, _ := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}, Script: []camera.Step{{After: 3 * time.Second, Stop: true, Pause: time.Second}}})
	until(t, "live", func() bool { return r.Live("door") })
	v := &camera.Viewer{Endpoint: r.base + "/whep/door", Token: "v"}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	until(t, "a second session", func() bool { return cam.Stats().Sessions == 2 })
	seen := len(v.Pictures())
	until(t, "pictures go on", func() bool { return len(v.Pictures()) > seen+60 })
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestShuttingDownIsSeenAtOnce: cameras and viewers need no timeout to notice
// that the gateway stops, and the next take says why there is a gap.
func TestShuttingDownIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	video := camera.Video{Width: 320, Height: 180}
	cam, stop := r.film(camera.Config{Video: video, Pause: time.Minute})
	until(t, "a take", func() bool { return len(r.spans()) == 1 })
	v := &camera.Viewer{Endpoint: r.base + "/whep/door", Token: "v"}
	watched := make(chan error, 1)
	go func() { watched <- v.Run(t.Context()) }()
	until(t, "pictures", func() bool { return len(v.Pictures()) > 0 })
	began := time.Now()
	r.shut()
	if err := <-watched; err == nil {
		t.Error("the viewer saw no end")
	}
	until(t, "the camera sees it", func() bool { return !cam.Stats().Connected })
	if took := time.Since(began); took > 9*time.Second { // ICE alone notices in ten
		t.Errorf("it took %v", took)
	}
	if a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, someOffer(t)); a.status != http.StatusServiceUnavailable {
		t.Errorf("an offer to a door that is shut: %d", a.status)
	}
	stop()
	next := newRig(t, func(c *webrtc.Config) { c.Recorder, c.Footage = r.config.Recorder, r.footage })
	_, _ = next.film(camera.Config{Video: video})
	until(t, "another take", func() bool { return len(r.spans()) == 2 })
	if why := r.spans()[1].Why; why != chunk.Interrupted {
		t.Errorf("the gap is %s", why)
	}
}

// TestViewersOfNobodyEnd: they wait for a camera that may come back, and not
// for ever.
func TestViewersOfNobodyEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	_, stop := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "live", func() bool { return r.Live("door") })
	v := &camera.Viewer{Endpoint: r.base + "/whep/door", Token: "v"}
	watched := make(chan error, 1)
	go func() { watched <- v.Run(t.Context()) }()
	until(t, "pictures", func() bool { return len(v.Pictures()) > 0 })
	stop()
	if s := r.Stats(); s.Watching != 1 {
		t.Errorf("the viewer is gone with the camera: %+v", s)
	}
	if err := <-watched; err == nil {
		t.Error("the viewer saw no end")
	}
	until(t, "no session", func() bool { return r.Stats().Sessions == 0 })
}

// TestViewersComeAnewForAnotherCodec: what they agreed on cannot be shown any
// more.
func TestViewersComeAnewForAnotherCodec(t *testing.T) {
	r := newRig(t, nil)
	video := camera.Video{Width: 320, Height: 180}
	_, _ = r.film(camera.Config{Video: video, Pause: time.Minute})
	until(t, "a take", func() bool { return len(r.spans()) == 1 })
	w := r.watch("/whep/door")
	until(t, "pictures", func() bool { n, _ := w.pictures(); return n > 0 })
	_, _ = r.film(camera.Config{Video: video, Audio: camera.PCMA})
	until(t, "the viewer's end", func() bool { return r.Stats().Watching == 0 })
	until(t, "another take", func() bool { return len(r.spans()) == 2 })
	again := r.watch("/whep/door")
	until(t, "sound and pictures", func() bool {
		n, _ := again.pictures()
		again.mu.Lock()
		defer again.mu.Unlock()
		return n > 0 && again.sound > 0
	})
}

// TestASecondTrackOfAKindEndsTheSession: a sender offers one sound, and sends
// two.
func TestASecondTrackOfAKindEndsTheSession(t *testing.T) {
	r := newRig(t, nil)
	pc := peer(t)
	var sounds []*pion.TrackLocalStaticRTP
	for _, name := range []string{"one", "two"} {
		local, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2}, name, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pc.AddTransceiverFromTrack(local, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
			t.Fatal(err)
		}
		sounds = append(sounds, local)
	}
	parts := strings.Split(offer(t, pc), "m=audio")
	first := regexp.MustCompile(`a=(ssrc|msid):.*\r\n`).ReplaceAllString(parts[0]+"m=audio"+parts[1], "")
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, strings.Replace(first, "BUNDLE 0 1", "BUNDLE 0", 1))
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	parts = strings.Split(a.body, "m=audio")
	both := strings.Replace(a.body, "BUNDLE 0", "BUNDLE 0 1", 1) + "m=audio" + strings.Replace(parts[1], "a=mid:0", "a=mid:1", 1)
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: both}); err != nil {
		t.Fatal(err)
	}
	seq := uint16(0)
	send := func(s *pion.TrackLocalStaticRTP) {
		_ = s.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 960}, Payload: []byte{0xf8, 0xff, 0xfe}})
	}
	until(t, "sound", func() bool { seq++; send(sounds[0]); return r.Live("door") })
	until(t, "the end", func() bool { seq++; send(sounds[0]); send(sounds[1]); return r.Stats().Sessions == 0 })
}

// TestPostsThatNeverConnect: a flood of offers is refused over the bound, and
// what was let in is freed, memory and all.
func TestPostsThatNeverConnect(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *webrtc.Config) { c.MaxPending, c.MaxSessions = 300, 1000 })
	sdp := someOffer(t)
	before := runtime.NumGoroutine()
	for i := range 310 {
		a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
		if i < 300 && a.status != http.StatusCreated || i >= 300 && (a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "") {
			t.Fatalf("%d: %d %s", i, a.status, a.body)
		}
	}
	remain := r.Remains()
	if n := remain(); n != 300 {
		t.Errorf("%d sessions", n)
	}
	until(t, "all are freed", func() bool { return r.Stats().Sessions == 0 })
	until(t, "their goroutines too", func() bool { return runtime.NumGoroutine() < before+900 }) // 3 each; the tests beside this one have some
	until(t, "their memory too", func() bool { runtime.GC(); return remain() == 0 })
	if s := r.Stats(); s.NeverConnected != 300 || s.Limited != 10 {
		t.Errorf("%+v", s)
	}
	if a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp); a.status != http.StatusCreated {
		t.Errorf("afterwards: %d", a.status)
	}
}

func someOffer(t *testing.T) string {
	t.Helper()
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	return sdp
}
