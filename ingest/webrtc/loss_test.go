package webrtc_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest/chunk"
	"headgate/ingest/webrtc"
)

// TestWhatIsLostComesAgain publishes over ways that lose packets, those sent
// again too: every one comes in the end, and few are asked for twice.
func TestWhatIsLostComesAgain(t *testing.T) {
	for _, loss := range []camera.Loss{{Share: 0.05}, {Share: 0.1, Burst: 3}} {
		t.Run(fmt.Sprintf("%v in %d", loss.Share, max(1, loss.Burst)), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			cam, stop := r.film(camera.Config{Video: camera.Video{Width: 640, Height: 360, BitsPerSecond: 3_000_000}, Loss: loss, Seed: 7})
			until(t, "12 s of film", func() bool { return cam.Stats().Frames > 12*30 })
			ledger := cam.Ledger()
			until(t, "they are stored", func() bool {
				s := r.spans()
				return len(s) > 0 && s[len(s)-1].To >= ledger[len(ledger)-1].UnixMilli-1000
			})
			stop()
			sent, lost, asked := len(ledger), cam.Stats().Dropped, cam.Stats().Requested
			recorded, incomplete := 0, uint32(0)
			for p, err := range r.footage("door").Parts(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				incomplete += p.Take.Lost
				for _, f := range p.Frames {
					if f.Track == chunk.VideoTrack {
						recorded++
					}
				}
			}
			t.Logf("%d frames, %d recorded, %d packets lost, %d asked for, %d never came", sent, recorded, lost, asked, r.Stats().Lost)
			if recorded < sent-30 || incomplete > 0 || r.Stats().Lost > 0 || lost < 100 || asked >= 2*lost {
				t.Errorf("%d incomplete", incomplete)
			}
		})
	}
}

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

// TestReplay watches what is stored, from a time on, at twice the speed; and
// what is stored while nobody sends to this gateway.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cam, stop := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "6 s", func() bool { s := r.spans(); return len(s) == 1 && s[0].To-s[0].From > 6000 })
	stop()
	until(t, "no session", func() bool { return r.Stats().Sessions == 0 })
	from := r.spans()[0].From + 2000
	watch := func(query string, pictures int) []camera.Picture {
		v := &camera.Viewer{Endpoint: r.base + "/whep/door" + query, Token: "v"}
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		until(t, "pictures", func() bool { return len(v.Pictures()) >= pictures })
		leave()
		<-done
		return v.Pictures()
	}
	recent := watch("", 1) // the newest part is seconds old: another gateway might be filming
	if !recent[0].Key {
		t.Error("what is shown does not begin with a key frame")
	}
	seen := watch(fmt.Sprintf("?start=%d&speed=2", from), 100)
	if !seen[0].Key {
		t.Error("the replay does not begin with a key frame")
	}
	frames := len(cam.Ledger())
	if len(seen) > frames {
		t.Errorf("%d pictures of %d", len(seen), frames)
	}
	slices.SortFunc(seen, func(a, b camera.Picture) int { return int(int32(a.Stamp - b.Stamp)) }) // some were sent again
	long := seen[len(seen)-1].Stamp - seen[0].Stamp
	if want := uint32(len(seen) * 1500); long < want*8/10 || long > want*12/10 {
		t.Errorf("%d pictures in %d ticks of RTP", len(seen), long)
	}
}

// TestPostsThatNeverConnect: sessions without a connection are freed.
func TestPostsThatNeverConnect(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *webrtc.Config) { c.MaxPending, c.MaxSessions = 300, 1000 })
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	before := runtime.NumGoroutine()
	opened, refused := 0, 0
	for range 320 {
		switch a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp); {
		case a.status == http.StatusCreated:
			opened++
		case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
			refused++
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	// One camera has one publisher: each takes the place of the one before.
	if opened+refused != 320 || opened == 0 {
		t.Errorf("%d opened, %d refused", opened, refused)
	}
	until(t, "all are freed", func() bool { return r.Stats().Sessions == 0 })
	until(t, "their goroutines too", func() bool { return runtime.NumGoroutine() < before+100 })
}
