package webrtc_test

import (
	"fmt"
	"slices"
	"testing"

	"headgate/firmware-sim/camera"
	"headgate/ingest/chunk"
)

// TestWhatIsLostComesAgain publishes over ways that lose packets, those sent
// again too: every one comes in the end, and few are asked for twice.
func TestWhatIsLostComesAgain(t *testing.T) {
	for _, loss := range []camera.Loss{{Share: 0.05}, {Share: 0.1, Burst: 3}} {
		t.Run(fmt.Sprintf("%v in %d", loss.Share, max(1, loss.Burst)), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			cam, stop := r.film(camera.Config{Video: camera.Video{Width: 640, Height: 360, BitsPerSecond: 3_000_000}, Loss: loss, Seed: 7})
			until(t, "20 s of film", func() bool { return cam.Stats().Frames > 20*30 })
			ledger := cam.Ledger()
			until(t, "they are stored", func() bool {
				s := r.spans()
				return len(s) > 0 && s[len(s)-1].To >= ledger[len(ledger)-1].UnixMilli-1000
			})
			stop()
			sent, lost, asked := len(ledger), cam.Stats().Dropped, cam.Stats().Requested
			incomplete, video := uint32(0), []byte(nil)
			for p, err := range r.footage("door").Parts(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				incomplete += p.Take.Lost
				for _, f := range p.Frames {
					if f.Track == chunk.VideoTrack {
						video = appendUnits(video, f.Data)
					}
				}
			}
			recorded := numbers(t, video, 640)
			never := 0
			for _, f := range ledger[:sent-30] { // the last second may be under way
				if !slices.Contains(recorded, f.Number) {
					never++
				}
			}
			t.Logf("%d frames, %d recorded, %d packets lost, %d asked for, %d never came", sent, len(recorded), lost, asked, r.Stats().Lost)
			if never > 0 || incomplete > 0 || r.Stats().Lost > 0 || lost < 100 || asked >= 2*lost {
				t.Errorf("%d frames never recorded, %d incomplete", never, incomplete)
			}
		})
	}
}
