package gateway_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"headgate/firmware-sim/camera"
	"headgate/gateway"
)

// TestFootageOutlivesItsGateway kills the leader to which a camera publishes.
// Both others serve the same clip, byte for byte, up to the part that was
// open; the camera goes on to one of them, and the gap has its reason.
func TestFootageOutlivesItsGateway(t *testing.T) {
	s := grown(t, 3, "--media", "127.0.0.1:0")
	leader, others := s.leader()
	tokens, err := gateway.Dial(leader.data).AddCamera(t.Context(), gateway.CameraSpec{Name: "door"})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(b *box, long time.Duration) *camera.Camera {
		return film(t, camera.Config{Endpoint: "http://" + b.Console + "/whip/door", Token: tokens.Publish, Video: camera.Video{Width: 640, Height: 360}}, long)
	}
	cam, err := camera.New(camera.Config{Endpoint: "http://" + leader.Console + "/whip/door", Token: tokens.Publish, Video: camera.Video{Width: 640, Height: 360}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 8*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- cam.Run(ctx) }()
	late := time.NewTimer(7 * time.Second)
	<-late.C
	leader.kill()
	killed := time.Now()
	<-done
	s.settledWithout(leader)
	clip := func(b *box, from, to time.Time) (m manifest) {
		var text strings.Builder
		query := url.Values{"start": {strconv.FormatInt(from.UnixMilli(), 10)}, "end": {strconv.FormatInt(to.UnixMilli(), 10)}}
		if err := gateway.Dial(b.data).Footage(t.Context(), "door", "clip.json", query, &text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text.String()), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	from := killed.Add(-time.Minute)
	a, b := clip(others[0], from, killed), clip(others[1], from, killed)
	t.Logf("%d frames, the last %v before the kill", a.Frames["video"], killed.Sub(a.LastFrame))
	if a.SHA256 != b.SHA256 || a.Bytes == 0 {
		t.Errorf("not the same clip: %+v, %+v", a, b)
	}
	if lost := killed.Sub(a.LastFrame); lost > 3*time.Second {
		t.Errorf("footage ends %v before the gateway died", lost)
	}
	sent := 0
	for _, f := range cam.Ledger() {
		if f.UnixMilli <= a.LastFrame.UnixMilli() {
			sent++
		}
	}
	if n := a.Frames["video"]; n < sent-1 || n > sent+1 {
		t.Errorf("%d frames of %d", n, sent)
	}
	publish(others[0], 4*time.Second)
	until(t, 20*time.Second, "a second take with its reason", func() (string, bool) {
		var text strings.Builder
		if err := gateway.Dial(others[1].data).Footage(t.Context(), "door", "timeline.json", url.Values{}, &text); err != nil {
			return err.Error(), false
		}
		var line struct{ Takes []recorded }
		_ = json.Unmarshal([]byte(text.String()), &line)
		return text.String(), len(line.Takes) == 2 && line.Takes[1].After == "interrupted"
	})
}

type manifest struct {
	SHA256    string
	Bytes     int
	Frames    map[string]int
	LastFrame time.Time `json:"last_frame"`
}

// settledWithout waits until those that are left have a leader again.
func (s *trio) settledWithout(dead *box) {
	s.t.Helper()
	until(s.t, 30*time.Second, "another leader", func() (string, bool) {
		for _, b := range s.up() {
			if st := b.status(); st.Site.Leader == "" || st.Site.Leader == dead.name || !st.Health.Ready {
				return st.Site.Leader, false
			}
		}
		return "", true
	})
}
