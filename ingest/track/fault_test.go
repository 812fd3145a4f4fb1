package track_test

import (
	"slices"
	"testing"
	"time"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
)

// sender is a camera of 25 pictures and 50 packets of sound a second, whose
// clocks and numbers can be set. It reports every second.
type sender struct {
	session      track.Session
	tape         tape
	video, audio uint8
	at           time.Duration // since start
	wall         time.Duration // its clock less ours
	rtp          [2]int64      // milliseconds added to the time of pictures, of sound
	lie          int64         // milliseconds by which reports are off the packets
	seq, sound   uint16
	mute         bool // no reports
	twin         bool // every picture comes with another of the same stamp
}

func newSender(t *testing.T) *sender {
	t.Helper()
	s := &sender{wall: -3 * time.Hour}
	s.session.Sink, s.session.Expect = &s.tape, 2
	var err error
	if s.video, err = s.session.Add(track.Format{Codec: chunk.VP8, Rate: 90000, Patience: 20 * time.Millisecond, Renumbers: true}); err != nil {
		t.Fatal(err)
	}
	if s.audio, err = s.session.Add(track.Format{Codec: chunk.Opus, Rate: 48000, Channels: 2, Patience: 20 * time.Millisecond, Renumbers: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

// run sends for so long.
func (s *sender) run(long time.Duration) {
	for end := s.at + long; s.at < end; s.at += 10 * time.Millisecond {
		now, ms := start.Add(s.at), s.at.Milliseconds()
		picture90, sound48 := uint32((ms+s.rtp[0])*90), uint32((ms+s.rtp[1])*48)
		if ms%40 == 0 {
			for i := range 2 {
				if i == 1 && !s.twin {
					break
				}
				for _, p := range picture(&s.seq, picture90, ms%1000 == 0, 2) {
					s.session.Push(s.video, p, now)
				}
			}
		}
		if ms%20 == 0 {
			s.session.Push(s.audio, track.Packet{Sequence: s.sound, Time: sound48, Payload: []byte{1}}, now)
			s.sound++
		}
		switch {
		case s.mute:
		case ms%1000 == 100:
			s.session.Report(s.video, ntp(now.Add(s.wall)), picture90+uint32(s.lie*90), now)
		case ms%1000 == 600:
			s.session.Report(s.audio, ntp(now.Add(s.wall)), sound48+uint32(s.lie*48), now)
		}
		s.session.Tick(now)
	}
}

// check says how many takes there are and what ended them, that no frame is
// further than far from where it belongs, and that few are missing.
func (s *sender) check(t *testing.T, far time.Duration, reasons ...chunk.Reason) {
	t.Helper()
	s.session.End(chunk.Left, start.Add(s.at))
	if !slices.Equal(s.tape.reasons, append(reasons, chunk.Left)) || s.tape.begins != len(reasons)+1 {
		t.Errorf("%d takes, ended by %v", s.tape.begins, s.tape.reasons)
	}
	whole := int(s.at.Milliseconds()/40 + s.at.Milliseconds()/20)
	if n := len(s.tape.frames); n < whole-100 {
		t.Errorf("%d frames of %d", n, whole)
	}
	for i, f := range s.tape.frames {
		if at := f.At - start.UnixMilli(); at < 0 || at > s.at.Milliseconds()+far.Milliseconds() {
			t.Fatalf("frame %d at %d", i, at)
		}
		if before := i - 4; before >= 0 && f.At < s.tape.frames[before].At-far.Milliseconds() {
			t.Fatalf("frame %d, %d ms behind", i, s.tape.frames[before].At-f.At)
		}
	}
}

// TestASenderSetsItsClock: by NTP, forwards and back, little and much. Nothing
// in the footage moves.
func TestASenderSetsItsClock(t *testing.T) {
	for _, step := range []time.Duration{300 * time.Millisecond, -300 * time.Millisecond, 3 * time.Second, -3 * time.Second, 9800 * time.Second, -9800 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			s := newSender(t)
			s.run(5050 * time.Millisecond)
			s.wall += step
			s.run(5 * time.Second)
			s.wall -= step / 2
			s.run(5 * time.Second)
			s.check(t, 50*time.Millisecond)
		})
	}
}

// TestATrackJumps: the time of pictures alone, or of sound, or of both; with
// reports and without.
func TestATrackJumps(t *testing.T) {
	for _, by := range []int64{9_800_000, -9_800_000, -4000, 30_000} {
		for which := range 6 {
			s := newSender(t)
			s.mute = which >= 3
			s.run(5 * time.Second)
			for i := range s.rtp {
				if which%3 == i || which%3 == 2 {
					s.rtp[i] += by
				}
			}
			s.run(8 * time.Second)
			s.session.End(chunk.Left, start.Add(s.at))
			if n := len(s.tape.frames); n < 13*75-60 || s.tape.begins > 3 {
				t.Errorf("jump of %d ms in %d: %d frames in %d takes, %v", by, which, n, s.tape.begins, s.tape.reasons)
			}
			last := map[uint8]int64{}
			for _, f := range s.tape.frames {
				last[f.Track] = f.At - start.UnixMilli()
				if at := last[f.Track]; at < 0 || at > 13_100 {
					t.Fatalf("jump of %d ms in %d: frame at %d", by, which, at)
				}
			}
			for track, at := range last {
				if d := s.at.Milliseconds() - at; d < -100 || d > 100 {
					t.Errorf("jump of %d ms in %d: the end of track %d is %d ms off", by, which, track, d)
				}
			}
		}
	}
}

// TestReportsThatLie speak of times that no packet has: the camera is recorded
// as one that tells no clock.
func TestReportsThatLie(t *testing.T) {
	s := newSender(t)
	s.lie = 5 * 3_600_000
	s.run(10 * time.Second)
	s.check(t, 50*time.Millisecond)
	if s.tape.synced[0] {
		t.Error("it counts as synced")
	}
}

func TestTwoPicturesOfOneStamp(t *testing.T) {
	s := newSender(t)
	s.twin = true
	s.run(4 * time.Second)
	s.check(t, 50*time.Millisecond)
	last, pictures := int64(0), 0
	for _, f := range s.tape.frames {
		if f.Track != chunk.VideoTrack {
			continue
		}
		if pictures++; f.At <= last {
			t.Fatalf("picture at %d behind %d", f.At, last)
		}
		last = f.At
	}
	if pictures != 200 {
		t.Errorf("%d pictures", pictures)
	}
}

// TestASenderCountsAnew in the middle of a session.
func TestASenderCountsAnew(t *testing.T) {
	for _, by := range []uint16{100, 2000, 30000, 60000} {
		s := newSender(t)
		s.run(4 * time.Second)
		s.seq -= by
		s.sound -= by
		s.run(6 * time.Second)
		s.session.End(chunk.Left, start.Add(s.at))
		if n := len(s.tape.frames); n < 750-32-64-8 || s.tape.begins != 1 {
			t.Errorf("back by %d: %d frames in %d takes", by, n, s.tape.begins)
		}
		if lost := s.session.Track(s.video).Lost(); lost > restartLost {
			t.Errorf("back by %d: %d packets lost", by, lost)
		}
	}
}

// restartLost is what may count as lost when a sender counts anew.
const restartLost = 3000
