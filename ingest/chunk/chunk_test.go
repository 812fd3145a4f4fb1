package chunk_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

var tracks = []chunk.Track{
	{Number: chunk.VideoTrack, Codec: chunk.VP8, Width: 640, Height: 360},
	{Number: chunk.AudioTrack, Codec: chunk.Opus, Private: []byte("OpusHead........"), Rate: 48000, Channels: 2},
}

const began = 1_790_000_000_000

// film is frames of so many seconds: 30 pictures, one in 60 a key frame, and
// 50 packets of sound a second.
func film(r *rand.Rand, from int64, seconds, size int) []chunk.Frame {
	var frames []chunk.Frame
	for i := range seconds * 30 {
		frames = append(frames, chunk.Frame{Track: chunk.VideoTrack, At: from + int64(i)*1000/30, Key: i%60 == 0, Data: noise(r, size)})
	}
	for i := range seconds * 50 {
		frames = append(frames, chunk.Frame{Track: chunk.AudioTrack, At: from + int64(i)*20, Key: true, Data: noise(r, 80)})
	}
	slices.SortStableFunc(frames, func(a, b chunk.Frame) int { return int(a.At - b.At) })
	return frames
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// camera is a Recorder over a log in memory, with what it has stored.
func camera(t *testing.T, log *shardlogtest.Memory) (*chunk.Recorder, *chunk.Footage) {
	t.Helper()
	if err := log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "door", Shards: 1, Class: shardlog.Video}); err != nil {
		t.Fatal(err)
	}
	return &chunk.Recorder{Writer: log, Stream: "door"}, &chunk.Footage{Reader: log, Catalog: log, Stream: "door"}
}

// record takes the recorder while f hands frames in.
func record(t *testing.T, r *chunk.Recorder, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	f()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func parts(t *testing.T, f *chunk.Footage) []chunk.Stored {
	t.Helper()
	var all []chunk.Stored
	for p, err := range f.Parts(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestFramesComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, size := range map[string]int{"small": 900, "large": 20_000, "larger than a record": 1_500_000} {
		t.Run(name, func(t *testing.T) {
			log := shardlogtest.NewMemory()
			recorder, footage := camera(t, log)
			seconds := 10
			if size > 1<<20 {
				seconds, recorder.Budget = 1, 1<<30
			}
			want := film(r, began, seconds, size)
			record(t, recorder, func() {
				recorder.Begin(tracks, false)
				for _, f := range want {
					recorder.Frame(f)
				}
				recorder.End(chunk.Left)
			})
			for number := range uint8(2) {
				var got, wanted []chunk.Frame
				for _, p := range parts(t, footage) {
					for _, f := range p.Frames {
						if f.Track == number+1 {
							got = append(got, f)
						}
					}
				}
				for _, f := range want {
					if f.Track == number+1 {
						wanted = append(wanted, f)
					}
				}
				if !slices.EqualFunc(got, wanted, func(a, b chunk.Frame) bool { return a.At == b.At && a.Key == b.Key && bytes.Equal(a.Data, b.Data) }) {
					t.Errorf("track %d: %d frames of %d came back", number+1, len(got), len(wanted))
				}
			}
			for i, p := range parts(t, footage) {
				if p.End()-p.Start >= 500 {
					t.Errorf("part %d spans %d ms", i, p.End()-p.Start)
				}
				key := slices.ContainsFunc(p.Frames, func(f chunk.Frame) bool { return f.Track == chunk.VideoTrack && f.Key })
				if p.Key() != key || key && !chunk.SameTracks(p.Tracks, tracks) {
					t.Errorf("part %d: header %v, key frame %v", i, p.Tracks, key)
				}
			}
		})
	}
}

func TestTimelineTellsTakesAndReasons(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	log := shardlogtest.NewMemory()
	recorder, footage := camera(t, log)
	takes := []struct {
		from int64
		end  chunk.Reason
	}{{began, chunk.Left}, {began + 60_000, chunk.Silent}, {began + 90_000, chunk.Left}}
	record(t, recorder, func() {
		for _, take := range takes {
			recorder.Begin(tracks, false)
			for _, f := range film(r, take.from, 10, 500) {
				recorder.Frame(f)
			}
			recorder.End(take.end)
		}
	})
	again := &chunk.Recorder{Writer: log, Stream: "door"}
	last, err := footage.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again.Resume(last.End(), chunk.Interrupted)
	record(t, again, func() {
		again.Begin(tracks, false)
		for _, f := range film(r, began-5000, 2, 500) { // the clock is wrong after the boot
			again.Frame(f)
		}
	})
	spans, err := footage.Timeline(t.Context(), began, began+1_000_000, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []chunk.Reason
	for _, s := range spans {
		got = append(got, s.Why)
	}
	if want := []chunk.Reason{chunk.First, chunk.Left, chunk.Silent, chunk.Interrupted}; !slices.Equal(got, want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	for i, take := range takes {
		if spans[i].From != take.from || spans[i].To != take.from+9980 {
			t.Errorf("take %d: %d to %d", i, spans[i].From-began, spans[i].To-began)
		}
	}
	if s := spans[3]; s.From != last.End()+1 || !s.Unsynced {
		t.Errorf("the last take begins at %d, unsynced %v", s.From-began, s.Unsynced)
	}
	if some, err := footage.Timeline(t.Context(), began+60_500, began+61_000, 100); err != nil || len(some) != 1 || some[0].From != takes[1].from {
		t.Errorf("one take: %v, %v", some, err)
	}
	if latest, err := footage.Timeline(t.Context(), 0, began+1_000_000, 2); err != nil || len(latest) != 2 || latest[1].Why != chunk.Interrupted {
		t.Errorf("the latest two: %v, %v", latest, err)
	}
}

func TestFindAndKey(t *testing.T) {
	log := shardlogtest.NewMemory()
	recorder, footage := camera(t, log)
	record(t, recorder, func() {
		recorder.Begin(tracks, false)
		for _, f := range film(rand.New(rand.NewPCG(1, 2)), began, 60, 400) {
			recorder.Frame(f)
		}
	})
	all := parts(t, footage)
	for at := int64(began - 1000); at < began+61_000; at += 333 {
		want := all[0]
		for _, p := range all {
			if p.Start <= at {
				want = p
			}
		}
		got, err := footage.Find(t.Context(), at)
		if err != nil || got.Seq != want.Seq {
			t.Fatalf("at %d: %d, %v, want %d", at-began, got.Seq, err, want.Seq)
		}
		key, err := footage.Key(t.Context(), at)
		if err != nil || !key.Key() || key.Start > max(at, began) || at-key.Start > 2000 && at < began+60_000 {
			t.Fatalf("key frame for %d at %d, %v", at-began, key.Start-began, err)
		}
	}
}

func TestASlowLogCostsWholeTakesAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := shardlogtest.NewMemory()
		var closed atomic.Bool
		log.Fail = func(op string) error {
			if op == "put" && closed.Load() {
				return shardlog.Errorf(shardlog.Full, "put", "no room")
			}
			return nil
		}
		recorder, footage := camera(t, log)
		recorder.Budget = 100_000
		r := rand.New(rand.NewPCG(1, 2))
		record(t, recorder, func() {
			recorder.Begin(tracks, false)
			for i, f := range film(r, began, 30, 1000) {
				closed.Store(i > 800 && i < 1600)
				recorder.Frame(f)
				synctest.Wait()
				if i == 1600 {
					time.Sleep(5 * time.Second)
				}
			}
		})
		spans, err := footage.Timeline(t.Context(), 0, began+100_000, 100)
		if err != nil || len(spans) != 2 || spans[1].Why != chunk.Overrun {
			t.Fatalf("%v, %v", spans, err)
		}
		if s := recorder.Stats(); s.Dropped == 0 || s.Retries == 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		for _, p := range parts(t, footage) {
			if p.Start == spans[1].From && !p.Key() {
				t.Error("the take after the gap does not begin with a key frame")
			}
		}
	})
}

func TestAPartStoredTwiceIsReadOnce(t *testing.T) {
	log := shardlogtest.NewMemory()
	n := atomic.Int32{}
	log.Fail = func(op string) error {
		if op == "put done" && n.Add(1)%2 == 1 {
			return shardlog.Errorf(shardlog.Unknown, "put", "nobody knows")
		}
		return nil
	}
	recorder, footage := camera(t, log)
	want := film(rand.New(rand.NewPCG(1, 2)), began, 2, 1000)
	record(t, recorder, func() {
		recorder.Begin(tracks, false)
		for _, f := range want {
			recorder.Frame(f)
		}
		recorder.End(chunk.Left)
	})
	frames := 0
	for _, p := range parts(t, footage) {
		frames += len(p.Frames)
	}
	if frames != len(want) {
		t.Errorf("%d frames of %d", frames, len(want))
	}
}

func TestLossIsTold(t *testing.T) {
	b := chunk.Builder{}
	b.Begin(chunk.Take{Why: chunk.First}, tracks)
	b.Add(chunk.Frame{Track: 1, At: began, Key: true, Data: []byte{1}})
	if p := b.Lose(); p == nil || p.Take.Lost != 0 {
		t.Fatal("the part before the loss stays open")
	}
	b.Add(chunk.Frame{Track: 1, At: began + 40, Data: []byte{1}})
	p := b.Close()
	reread, _, err := chunk.Open(p.Append(nil))
	if err != nil || reread.Take != (chunk.Take{Began: began, Why: chunk.First, Lost: 1}) {
		t.Errorf("%+v, %v", reread.Take, err)
	}
}

func FuzzOpen(f *testing.F) {
	p := chunk.Part{Tracks: tracks, Take: chunk.Take{Began: began, Why: chunk.First, Lost: 3}, Start: began,
		Frames: []chunk.Frame{{Track: 1, At: began, Key: true, Data: []byte("abc")}, {Track: 2, At: began + 7, Data: []byte("d")}}}
	f.Add(p.Append(nil))
	p.Tracks = nil
	f.Add(p.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		part, more, err := chunk.Open(data)
		if err != nil || more > 0 {
			return
		}
		if len(part.Frames) == 0 {
			t.Fatal("a part without frames")
		}
		again := part.Append(nil)
		if reread, more, err := chunk.Open(again); err != nil || more != 0 || len(reread.Frames) != len(part.Frames) {
			t.Fatalf("does not come back: %d, %v", more, err)
		}
	})
}
