package webrtc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/ingest/webrtc"
)

// drive runs a peer that others wrote, and reads what it printed.
func drive(t *testing.T, into any, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", args[0], err, out, complaints.Bytes())
	}
	t.Logf("%s", bytes.TrimSpace(out))
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(err)
	}
}

// script is a script of testdata where it finds its modules.
func script(t *testing.T, name string) string {
	t.Helper()
	need(t, "node")
	if _, err := os.Stat(modules()); err != nil {
		missing(t, err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Symlink(modules(), filepath.Join(dir, "node_modules")), os.WriteFile(filepath.Join(dir, name), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// TestAiortc: Python's stack publishes and watches, live and what is stored.
func TestAiortc(t *testing.T) {
	t.Parallel()
	if err := exec.Command("/usr/bin/python3", "-c", "import aiortc").Run(); err != nil {
		missing(t, errors.Join(errors.New("python3-aiortc"), err))
	}
	r := newRig(t, nil)
	var counts struct {
		Video, Audio int
		Replayed     struct{ Video, Audio int }
	}
	drive(t, &counts, "/usr/bin/python3", "testdata/aiortc_peer.py", r.base, "5")
	if counts.Video < 30 || counts.Audio < 100 || counts.Replayed.Video < 20 || counts.Replayed.Audio < 50 {
		t.Errorf("%+v", counts)
	}
	if s := r.spans(); len(s) != 1 || s[0].To-s[0].From < 5000 || len(s[0].Tracks) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestTheAuthorsClients: the WHIP and WHEP clients of the specification's
// author trickle, view, restart and stop. Version 1.2.0 cannot use an answer to
// a restart that has more than one candidate (it joins them by commas), and we
// have one for UDP and one for TCP: that the restart itself works is shown by
// TestARestartGoesOn.
func TestTheAuthorsClients(t *testing.T) {
	t.Parallel()
	need(t, "chromium")
	r := newRig(t, nil)
	var told struct {
		Encoded, Decoded int
		Asked            [][2]any
	}
	drive(t, &told, "node", script(t, "whipwhep.mjs"), r.base)
	if told.Decoded == 0 {
		t.Errorf("%+v", told)
	}
	patched := false
	for _, a := range told.Asked {
		if status, _ := a[1].(float64); status >= 400 {
			t.Errorf("%v", a)
		}
		patched = patched || a[0] == "PATCH"
	}
	if !patched {
		t.Error("nothing was trickled")
	}
	until(t, "both sessions end", func() bool { return r.Stats().Sessions == 0 })
}

// TestFirefox publishes VP8, for it has no H.264 here, and watches it.
func TestFirefox(t *testing.T) {
	t.Parallel()
	need(t, "firefox-esr")
	r := newRig(t, nil)
	var told struct {
		Decoded        int
		Source, Viewer string
	}
	drive(t, &told, "node", script(t, "firefox.mjs"), r.base)
	if told.Decoded < 10 {
		t.Errorf("%+v", told)
	}
	if s := r.spans(); len(s) != 1 || s[0].Tracks[0].Codec != chunk.VP8 {
		t.Errorf("%+v", s)
	}
}

// TestChromiumByTCPAlone publishes H.264 and watches it where UDP does not get
// through.
func TestChromiumByTCPAlone(t *testing.T) {
	t.Parallel()
	need(t, "chromium")
	r := newRig(t, nil)
	var told struct {
		Decoded        int
		Source, Viewer string
	}
	drive(t, &told, "node", script(t, "tcp.mjs"), r.base)
	if told.Decoded < 10 || told.Source != "tcp" || told.Viewer != "tcp" {
		t.Errorf("%+v", told)
	}
	if s := r.spans(); len(s) != 1 || s[0].Tracks[0].Codec != chunk.H264 {
		t.Errorf("%+v", s)
	}
}

// TestByTCPAlone is the same for pion.
func TestByTCPAlone(t *testing.T) {
	r := newRig(t, nil)
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]pion.NetworkType{pion.NetworkTypeTCP4})
	media := &pion.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := pion.NewAPI(pion.WithSettingEngine(settings), pion.WithMediaEngine(media)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.GracefulClose()
	if _, err := pc.AddTransceiverFromKind(pion.RTPCodecTypeAudio, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	a := r.ask("POST", "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	until(t, "connected by TCP", func() bool { return pc.ConnectionState() == pion.PeerConnectionStateConnected })
}

// TestARestartGoesOn restarts ICE while media flow, as a client does whose
// network changed.
func TestARestartGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	pc := peer(t)
	local, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTransceiverFromTrack(local, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	a := r.ask("POST", "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	seq := uint16(0)
	send := func() uint64 {
		seq++
		_ = local.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 960}, Payload: []byte{0xf8, 0xff, 0xfe}})
		return r.Stats().Packets
	}
	until(t, "media", func() bool { return send() > 10 })
	again, err := pc.CreateOffer(&pion.OfferOptions{ICERestart: true})
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(again); err != nil {
		t.Fatal(err)
	}
	<-gathered
	b := r.ask("PATCH", a.header.Get("Location"), "p", typeFragment, webrtc.FragmentOf(pc.LocalDescription().SDP), "If-Match", "*")
	if b.status != 200 {
		t.Fatalf("%d %s", b.status, b.body)
	}
	answer := a.body
	for _, name := range []string{"ice-ufrag", "ice-pwd"} {
		line := regexp.MustCompile(`a=` + name + `:\S+`)
		answer = line.ReplaceAllString(answer, line.FindString(b.body))
	}
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	long := time.NewTimer(8 * time.Second) // longer than what was agreed before lasts
	defer long.Stop()
	before := send()
	<-long.C
	until(t, "media go on", func() bool { return send() > before+20 })
	if s := pc.ICEConnectionState(); s != pion.ICEConnectionStateConnected && s != pion.ICEConnectionStateCompleted {
		t.Errorf("ICE is %v", s)
	}
}
