package webrtc_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"headgate/firmware-sim/camera"
)

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
