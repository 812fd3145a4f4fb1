package camera_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"go.uber.org/goleak"

	"headgate/firmware-sim/camera"
)

// TestMain checks that cameras leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a video that is light to send.
func small() camera.Video {
	return camera.Video{Width: 320, Height: 240, FPS: 30, BitsPerSecond: 1_000_000, GOP: 15}
}

// publish runs a camera until enough says so, and returns it when it has ended.
func publish(t *testing.T, conf camera.Config, enough func(*camera.Camera) bool) *camera.Camera {
	t.Helper()
	conf.Token = testToken
	c, err := camera.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	until(t, "what the test waits for", func() bool { return enough(c) })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return c
}

func frames(n int64) func(*camera.Camera) bool {
	return func(c *camera.Camera) bool { return c.Stats().Frames >= n }
}

func TestWhatIsSentArrives(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	v := small()
	c := publish(t, camera.Config{Endpoint: r.URL + "/moved", Video: v, Audio: camera.PCMU}, frames(75))
	s, stats, ledger := r.all()[0], c.Stats(), c.Ledger()
	until(t, "the last packet", func() bool { return s.count("video") == int(stats.VideoPackets) })
	if n := s.count("audio"); n != int(stats.AudioPackets) {
		t.Errorf("%d packets of audio, sent %d", n, stats.AudioPackets)
	}
	if stats.Connected || stats.Sessions != 1 || stats.Failures != 0 || stats.Dropped != 0 || stats.Frames != int64(len(ledger)) || r.deleted != 1 {
		t.Errorf("stats %+v, %d deleted", stats, r.deleted)
	}
	stream, n := s.stream(t, 0)
	if n != len(ledger) {
		t.Errorf("%d frames, sent %d", n, len(ledger))
	}
	flashes := 0
	for i, luma := range decode(t, stream, v.Width, v.Height) {
		f := ledger[i]
		if number := camera.ReadNumber(luma, v.Width, v.Width); number != f.Number || f.Number != uint32(i) {
			t.Errorf("frame %d shows %d, in the ledger %d", i, number, f.Number)
		}
		flash := camera.ReadFlash(luma, v.Width, v.Width)
		if want := f.UnixMilli%1000 < 100; flash != want {
			t.Errorf("frame %d of ms %d: flash %v", i, f.UnixMilli%1000, flash)
		}
		if flash {
			flashes++
		}
		if want := i%v.GOP == 0; f.Key != want && stats.PLIs == 0 {
			t.Errorf("frame %d: key %v", i, f.Key)
		}
	}
	if flashes == 0 {
		t.Error("no flash in 2.5 s")
	}
}

// TestReportsMapToTheClock checks that the time that a receiver computes for
// the first frame is that of the ledger, and that beeps begin at full seconds.
func TestReportsMapToTheClock(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	c := publish(t, camera.Config{Endpoint: r.URL + "/whip/door", Video: small(), Audio: camera.PCMA}, frames(66))
	s, ledger := r.all()[0], c.Ledger()
	until(t, "a report of each track", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.reports["video"] != nil && s.reports["audio"] != nil
	})
	video, _ := s.ordered("video", 0)
	if got := wall(s.reports["video"], video[0].Timestamp, 90000); math.Abs(got-float64(ledger[0].UnixMilli)) > 1.5 {
		t.Errorf("the first frame is of %f, in the ledger of %d", got, ledger[0].UnixMilli)
	}
	audio, _ := s.ordered("audio", 0)
	beeps, before := 0, true
	for _, p := range audio {
		loud := false
		for _, sample := range p.Payload {
			loud = loud || (sample^0x55)&0x7f > 0x40
		}
		if at := math.Mod(wall(s.reports["audio"], p.Timestamp, 8000), 1000); loud && !before {
			if beeps++; at > 1 && at < 999 {
				t.Errorf("a beep begins %f ms after a full second", at)
			}
		}
		before = loud
	}
	if beeps == 0 {
		t.Error("no beep in 2.2 s")
	}
}

// wall is the time of an RTP timestamp in Unix milliseconds.
func wall(report *rtcp.SenderReport, timestamp uint32, rate float64) float64 {
	seconds := float64(int64(report.NTPTime>>32)-2208988800) + float64(uint32(report.NTPTime))/(1<<32)
	return 1000 * (seconds + float64(int32(timestamp-report.RTPTime))/rate)
}

func TestLossesAreMended(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]camera.Loss{"single": {Share: 0.05}, "bursts": {Share: 0.1, Burst: 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			v := small()
			c := publish(t, camera.Config{Endpoint: r.URL + "/whip/door", Video: v, Loss: loss, Seed: 7}, frames(150))
			s, stats := r.all()[0], c.Stats()
			for kind, second := range map[string]uint32{"video": 90000, "audio": 48000} {
				if _, missing := s.ordered(kind, second); missing > 0 {
					t.Errorf("%d packets of %s are still missing", missing, kind)
				}
			}
			if stats.NACKs == 0 || stats.Requested < stats.NACKs || stats.Retransmitted == 0 || stats.Dropped == 0 {
				t.Errorf("stats %+v", stats)
			}
			stream, n := s.stream(t, 90000)
			if n < 110 {
				t.Errorf("%d frames", n)
			}
			for i, luma := range decode(t, stream, v.Width, v.Height) {
				if number := camera.ReadNumber(luma, v.Width, v.Width); number != uint32(i) {
					t.Errorf("frame %d shows %d", i, number)
				}
			}
			t.Logf("%+v", stats)
		})
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.refuse = 1
	mute, unmute := true, false
	c := publish(t, camera.Config{
		Endpoint: r.URL + "/whip/door", Video: small(), Audio: camera.PCMU, Pause: 50 * time.Millisecond,
		Script: []camera.Step{
			{After: 300 * time.Millisecond, Width: 640, Height: 480, Mute: &mute},
			{After: 600 * time.Millisecond, Mute: &unmute, Loss: &camera.Loss{Share: 0.2}},
			{After: 300 * time.Millisecond, Stop: true, Pause: 100 * time.Millisecond},
			{After: 500 * time.Millisecond, Vanish: true},
			{After: 500 * time.Millisecond, Width: 320, Height: 240},
		},
	}, func(c *camera.Camera) bool {
		l := c.Ledger()
		return len(l) > 0 && l[len(l)-1].Session == 3 && l[len(l)-1].Width == 320
	})
	stats := c.Stats()
	if stats.Sessions != 3 || stats.Failures != 1 || stats.Dropped == 0 || r.deleted != 2 {
		t.Errorf("stats %+v, %d deleted", stats, r.deleted)
	}
	changes := 0
	for i, f := range c.Ledger() {
		if f.Number != uint32(i) {
			t.Errorf("frame %d has number %d", i, f.Number)
		}
		if i > 0 && (c.Ledger()[i-1].Width != f.Width || c.Ledger()[i-1].Session != f.Session) {
			if changes++; !f.Key {
				t.Errorf("frame %d is the first of its kind and no keyframe", i)
			}
		}
	}
	if changes != 4 {
		t.Errorf("%d changes", changes)
	}
	packets, missing := r.all()[0].ordered("audio", 0)
	gap := uint32(0)
	for i := range packets[1:] {
		gap = max(gap, packets[i+1].Timestamp-packets[i].Timestamp)
	}
	if ms := gap / 8; ms < 500 || ms > 800 {
		t.Errorf("muted for %d ms (%d packets missing)", ms, missing)
	}
}

func TestKeyframesOnRequest(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	v := small()
	v.GOP = 1000
	asked := false
	c := publish(t, camera.Config{Endpoint: r.URL + "/whip/door", Video: v, Audio: camera.NoSound}, func(c *camera.Camera) bool {
		if !asked && c.Stats().Frames > 10 {
			asked = true
			for _, receiver := range r.all()[0].pc.GetReceivers() {
				if err := r.all()[0].pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(receiver.Track().SSRC())}}); err != nil {
					t.Error(err)
				}
			}
		}
		return c.Stats().Keyframes > 1
	})
	if stats := c.Stats(); stats.PLIs != 1 || stats.Keyframes != 2 {
		t.Errorf("stats %+v", stats)
	}
}

func TestMicrophoneOnly(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	c := publish(t, camera.Config{Endpoint: r.URL + "/whip/door", Video: camera.Video{Off: true}}, func(c *camera.Camera) bool { return c.Stats().AudioPackets > 20 })
	packets, missing := r.all()[0].ordered("audio", 0)
	if len(packets) < 20 || missing > 0 || string(packets[0].Payload) != "\xf8\xff\xfe" || c.Stats().Frames != 0 {
		t.Errorf("%d packets, %d missing, stats %+v", len(packets), missing, c.Stats())
	}
}

func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	closed := false
	c := publish(t, camera.Config{Endpoint: r.URL + "/whip/door", Video: small(), Pause: 20 * time.Millisecond, Ledger: 10}, func(c *camera.Camera) bool {
		if !closed && c.Stats().Frames > 10 {
			closed = true
			if err := r.all()[0].pc.Close(); err != nil {
				t.Error(err)
			}
		}
		return c.Stats().Sessions == 2 && c.Stats().Frames > 30
	})
	if l := c.Ledger(); len(l) != 10 || l[9].Number-l[0].Number != 9 || l[9].Session != 2 {
		t.Errorf("ledger %+v", l)
	}
	if c.Stats().Failures != 1 {
		t.Errorf("stats %+v", c.Stats())
	}
}

func TestConfig(t *testing.T) {
	for name, conf := range map[string]camera.Config{
		"no endpoint":  {},
		"not http":     {Endpoint: "rtsp://a/b"},
		"odd size":     {Endpoint: "http://a/b", Video: camera.Video{Width: 321, Height: 240}},
		"half a size":  {Endpoint: "http://a/b", Video: camera.Video{Width: 320}},
		"nothing":      {Endpoint: "http://a/b", Video: camera.Video{Off: true}, Audio: camera.NoSound},
		"no sound":     {Endpoint: "http://a/b", Audio: "mp3"},
		"all lost":     {Endpoint: "http://a/b", Loss: camera.Loss{Share: 1}},
		"step":         {Endpoint: "http://a/b", Script: []camera.Step{{Width: 7}}},
		"frame rate":   {Endpoint: "http://a/b", Video: camera.Video{FPS: -1}},
		"negative gop": {Endpoint: "http://a/b", Video: camera.Video{GOP: -1}},
	} {
		if _, err := camera.New(conf); !errors.Is(err, camera.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
