package webrtc_test

import (
	"net/http"
	"testing"

	"headgate/firmware-sim/camera"
	"headgate/ingest/chunk"
	"headgate/ingest/track"
)

// TestFedCameras: viewers see what comes in by another door, and nobody
// publishes such a camera.
func TestFedCameras(t *testing.T) {
	r := newRig(t, nil)
	cam, _ := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "a take", func() bool { return len(r.spans()) == 1 })
	formats := []track.Format{{Codec: chunk.Opus, Rate: 48000, Channels: 2}, {Codec: chunk.AAC, Rate: 48000}}
	write, end, err := r.Feed("door", formats)
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Stats().Publishing; n != 0 {
		t.Errorf("%d publish what is fetched", n)
	}
	if a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, someOffer(t)); a.status != http.StatusConflict {
		t.Errorf("an offer to publish it: %d", a.status)
	}
	w := r.watch("/whep/door")
	seq := uint16(0)
	until(t, "sound", func() bool {
		seq++
		write(1, track.Packet{Payload: []byte{1}}) // browsers do not play it
		write(0, track.Packet{Sequence: seq, Time: uint32(seq) * 960, Payload: []byte{0xf8, 0xff, 0xfe}})
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.sound > 20
	})
	before := cam.Stats().Sessions
	end()
	until(t, "the camera comes back", func() bool { return cam.Stats().Sessions > before && r.Live("door") })
}
