package webrtc_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// watched is what a viewer of pion's got.
type watched struct {
	at      string // its session
	mu      sync.Mutex
	packets map[int64]*rtp.Packet // guarded by mu: of video, by their numbers
	newest  int64                 // guarded by mu
	sound   int                   // guarded by mu
	full    bool                  // guarded by mu: no more is taken
}

// watch opens a viewer of what path says.
func (r *rig) watch(path string) *watched {
	r.t.Helper()
	w := &watched{packets: map[int64]*rtp.Packet{}}
	pc := peer(r.t)
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeVideo, pion.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
			r.t.Fatal(err)
		}
	}
	pc.OnTrack(func(remote *pion.TrackRemote, _ *pion.RTPReceiver) {
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			w.take(p, remote.Kind() == pion.RTPCodecTypeVideo)
		}
	})
	a := r.ask(http.MethodPost, path, "v", typeSDP, offer(r.t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		r.t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	w.at = a.header.Get("Location")
	return w
}

func (w *watched) take(p *rtp.Packet, video bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !video {
		w.sound++
	}
	if !video || w.full {
		return
	}
	if len(w.packets) == 0 {
		w.newest = 1<<16 + int64(p.SequenceNumber)
	}
	n := w.newest + int64(int16(p.SequenceNumber-uint16(w.newest)))
	w.newest = max(w.newest, n)
	w.packets[n] = p
}

// pictures is how many came to their end; stamps are their times.
func (w *watched) pictures() (n int, stamps []uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := int64(0); i <= w.newest; i++ {
		if p := w.packets[i]; p != nil && p.Marker {
			stamps = append(stamps, p.Timestamp)
		}
	}
	return len(stamps), stamps
}

// whole reports whether so many pictures came, and nothing of them is missing;
// then no more is taken.
func (w *watched) whole(t *testing.T, pictures int) bool {
	if n, _ := w.pictures(); n < pictures {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	order, first := w.order(t)
	w.full = order[len(order)-1]-order[first] == int64(len(order)-first-1)
	return w.full
}

// order are the numbers that came, and which of them begins the first key
// frame. It is called with mu held.
func (w *watched) order(t *testing.T) (order []int64, first int) {
	t.Helper()
	order = slices.Sorted(maps.Keys(w.packets))
	first = slices.IndexFunc(order, func(n int64) bool { kind := w.packets[n].Payload[0] & 0x1f; return kind == 7 || kind == 24 }) // parameter sets
	if first < 0 {
		t.Fatal("no key frame came")
	}
	return order, first
}

// film is the stream of H.264 that came, from its first key frame on; it must
// have no holes.
func (w *watched) film(t *testing.T) (stream []byte) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var units codecs.H264Packet
	holes := 0
	order, first := w.order(t)
	for n := order[first]; n <= w.newest; n++ {
		p := w.packets[n]
		if p == nil {
			holes++
			continue
		}
		b, err := units.Unmarshal(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, b...)
	}
	if holes > 0 {
		t.Errorf("%d packets never came", holes)
	}
	return stream
}

// consecutive wants numbers without a hole, of frames that were sent.
func consecutive(t *testing.T, seen []uint32, ledger []camera.Frame) {
	t.Helper()
	for i, n := range seen {
		if i > 0 && n != seen[i-1]+1 {
			t.Errorf("%d behind %d", n, seen[i-1])
		}
		if !slices.ContainsFunc(ledger, func(f camera.Frame) bool { return f.Number == n }) {
			t.Errorf("%d was never sent", n)
		}
	}
}

// TestReplay watches what is stored, from a time on, at several speeds; and
// what is stored while nobody sends to this gateway. Every frame is the one
// that was filmed.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cam, stop := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180, BitsPerSecond: 500_000}})
	until(t, "8 s", func() bool { s := r.spans(); return len(s) == 1 && s[0].To-s[0].From > 8000 })
	until(t, "live here", func() bool { return r.Live("door") })

	// Another gateway of the site, which has the same log and no camera.
	elsewhere := newRig(t, func(c *webrtc.Config) { c.Recorder, c.Footage = r.config.Recorder, r.footage })
	edge := elsewhere.watch("/whep/door")
	until(t, "pictures by way of the log", func() bool { n, _ := edge.pictures(); return n > 90 })
	if a := elsewhere.ask(http.MethodDelete, edge.at, "v", "", ""); a.status != http.StatusOK {
		t.Errorf("DELETE: %d", a.status)
	}
	until(t, "no viewer", func() bool { return elsewhere.Stats().Sessions == 0 })
	stop()
	ledger := cam.Ledger()
	seen := numbers(t, edge.film(t), 320)
	consecutive(t, seen, ledger)
	if len(seen) < 85 || edge.sound < 50 {
		t.Errorf("%d pictures and %d packets of sound by way of the log", len(seen), edge.sound)
	}
	until(t, "no session", func() bool { return r.Stats().Sessions == 0 })

	for _, speed := range []float64{1, 4} {
		t.Run(fmt.Sprintf("speed %v", speed), func(t *testing.T) { replayed(t, r, ledger, speed) })
	}
}

// replayed watches from the third second on.
func replayed(t *testing.T, r *rig, ledger []camera.Frame, speed float64) {
	span := r.spans()[0]
	from := time.UnixMilli(span.From + 3000).UTC().Format(time.RFC3339Nano)
	w := r.watch(fmt.Sprintf("/whep/door?start=%s&speed=%v", from, speed))
	began := time.Now()
	until(t, "pictures", func() bool { n, _ := w.pictures(); return n >= 100 })
	took := time.Since(began)
	_ = r.ask(http.MethodDelete, w.at, "v", "", "")
	until(t, "no viewer", func() bool { return r.Stats().Sessions == 0 })
	seen := numbers(t, w.film(t), 320)
	consecutive(t, seen, ledger)
	if len(seen) < 95 || w.sound > 0 != (speed == 1) {
		t.Fatalf("%d pictures, %d packets of sound", len(seen), w.sound)
	}
	first := slices.IndexFunc(ledger, func(f camera.Frame) bool { return f.Number == seen[0] })
	at := span.From + ledger[first].UnixMilli - ledger[slices.IndexFunc(ledger, func(f camera.Frame) bool { return f.Key })].UnixMilli
	if !ledger[first].Key || at > span.From+3000 || at < span.From+500 {
		t.Errorf("it begins with frame %d, %d ms behind the first", seen[0], at-span.From)
	}
	_, stamps := w.pictures()
	slices.SortFunc(stamps, func(a, b uint32) int { return int(int32(a - b)) })
	if got, want := float64(stamps[len(stamps)-1]-stamps[0]), float64(len(stamps)-1)*3000/speed; got < want*0.75 || got > want*1.25 { // what is recorded follows the sender's clock
		t.Errorf("%d pictures in %v ticks, want %v", len(stamps), got, want)
	}
	if least := time.Duration(float64(time.Second) / speed); took < least { // at least 100 frames less those before start
		t.Errorf("it took %v, less than %v", took, least)
	}
}

// TestLiveOverALossyWay: viewers get what comes again too, in its place.
func TestLiveOverALossyWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	cam, stop := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180, BitsPerSecond: 1_000_000}, Loss: camera.Loss{Share: 0.05}, Seed: 3})
	until(t, "a second", func() bool { return cam.Stats().Frames > 30 }) // who comes sooner sees a key frame's end alone, and needs another
	w := r.watch("/whep/door")
	until(t, "pictures", func() bool { return w.whole(t, 150) })
	stop()
	seen := numbers(t, w.film(t), 320)
	consecutive(t, seen, cam.Ledger())
	if n := cam.Stats().Dropped; len(seen) < 60 || n < 10 {
		t.Errorf("%d pictures, %d packets lost", len(seen), n)
	}
}

// TestNothingToReplay: there is no footage, or none that the viewer can use.
func TestNothingToReplay(t *testing.T) {
	r := newRig(t, nil)
	_, sdp := offering(t, pion.RTPTransceiverDirectionRecvonly)
	if a := r.ask(http.MethodPost, "/whep/door?start=1764244800000", "v", typeSDP, sdp); a.status != http.StatusNotFound {
		t.Errorf("nothing is stored: %d", a.status)
	}
	if _, err := r.log.Put(context.Background(), "door", []shardlog.Entry{{Key: "door", Data: []byte("no part")}}); err != nil {
		t.Fatal(err)
	}
	if a := r.ask(http.MethodPost, "/whep/door?start=1764244800000", "v", typeSDP, sdp); a.status != http.StatusNotFound {
		t.Errorf("nothing of use is stored: %d", a.status)
	}
	_, stop := r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}, Audio: camera.NoSound})
	until(t, "a take", func() bool { return len(r.spans()) == 1 })
	stop()
	deaf := peer(t)
	if _, err := deaf.AddTransceiverFromKind(pion.RTPCodecTypeAudio, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	if a := r.ask(http.MethodPost, "/whep/door?start=1764244800000", "v", typeSDP, offer(t, deaf)); a.status != http.StatusUnprocessableEntity {
		t.Errorf("sound of a camera without: %d %s", a.status, a.body)
	}
	until(t, "no session", func() bool { return r.Stats().Sessions == 0 })
}
