package webrtc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
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

// TestAiortc: Python's stack publishes and watches.
func TestAiortc(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import aiortc").Run(); err != nil {
		missing(t, errors.Join(errors.New("python3-aiortc"), err))
	}
	r := newRig(t, nil)
	var counts struct{ Video, Audio int }
	drive(t, &counts, "/usr/bin/python3", "testdata/aiortc_peer.py", r.base, "5")
	if counts.Video < 30 || counts.Audio < 100 {
		t.Errorf("%+v", counts)
	}
	if s := r.spans(); len(s) != 1 || s[0].To-s[0].From < 5000 || len(s[0].Tracks) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestTheAuthorsClients: the WHIP and WHEP clients of the specification's
// author trickle, view, restart and stop.
func TestTheAuthorsClients(t *testing.T) {
	need(t, "chromium")
	r := newRig(t, nil)
	var told struct {
		Encoded, Decoded, AfterRestart int
		State                          string
		Asked                          [][2]any
	}
	drive(t, &told, "node", script(t, "whipwhep.mjs"), r.base)
	if told.Decoded == 0 || told.AfterRestart <= told.Decoded || told.State != "connected" {
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

// TestByTCPAlone connects where UDP does not get through.
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
