package track_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
)

// picture is a VP8 frame of a size, in packets.
func picture(seq *uint16, at uint32, key bool, parts int) []track.Packet {
	var all []track.Packet
	for i := range parts {
		body := []byte{0x00}
		if i == 0 {
			body[0] = 0x10 // S: a partition begins
			frame := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			if key {
				frame = []byte{0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}
			}
			body = append(body, frame...)
		}
		body = append(body, byte(i))
		all = append(all, track.Packet{Sequence: *seq, Time: at, Marker: i == parts-1, Payload: body})
		*seq++
	}
	return all
}

type tape struct {
	begins  int
	synced  []bool
	tracks  []chunk.Track
	frames  []chunk.Frame
	lost    int
	reasons []chunk.Reason
}

func (t *tape) Begin(tracks []chunk.Track, unsynced bool) {
	t.begins, t.tracks, t.synced = t.begins+1, tracks, append(t.synced, !unsynced)
}
func (t *tape) Tracks(tracks []chunk.Track) { t.tracks = tracks }
func (t *tape) Frame(f chunk.Frame)         { t.frames = append(t.frames, f) }
func (t *tape) Lose()                       { t.lost++ }
func (t *tape) End(why chunk.Reason)        { t.reasons = append(t.reasons, why) }

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func ntp(t time.Time) uint64 {
	s := uint64(t.Unix()+2_208_988_800) << 32
	return s | uint64(t.Nanosecond())<<32/1e9
}

func video(t *testing.T, s *track.Session) uint8 {
	t.Helper()
	n, err := s.Add(track.Format{Codec: chunk.VP8, Rate: 90000, Patience: 600 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOrderAndWrap(t *testing.T) {
	tape := &tape{}
	s := &track.Session{Sink: tape}
	n := video(t, s)
	seq, rtp := uint16(65500), uint32(0xffffffff-90000) // both wrap
	now := start
	s.Report(n, ntp(now), rtp, now)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		packets := picture(&seq, rtp, i%30 == 0, 3)
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		if i == 0 { // what comes first counts as the beginning
			slices.SortFunc(packets, func(a, b track.Packet) int { return int(int16(a.Sequence - b.Sequence)) })
		}
		for _, p := range packets {
			s.Push(n, p, now)
			s.Push(n, p, now) // twice
		}
		now = now.Add(time.Second / 30)
		rtp += 3000
	}
	s.End(chunk.Left, now)
	if len(tape.frames) != 300 || tape.lost != 0 || tape.begins != 1 || !tape.synced[0] {
		t.Fatalf("%d frames, %d lost, %d takes", len(tape.frames), tape.lost, tape.begins)
	}
	for i, f := range tape.frames {
		if want := start.UnixMilli() + int64(i)*1000/30; f.At < want-1 || f.At > want+1 || f.Key != (i%30 == 0) {
			t.Fatalf("frame %d at %d, key %v", i, f.At-start.UnixMilli(), f.Key)
		}
	}
	if v := tape.tracks[0]; v.Width != 640 || v.Height != 360 {
		t.Errorf("%+v", v)
	}
}

func TestALostPacketCostsItsFrame(t *testing.T) {
	tape := &tape{}
	s := &track.Session{Sink: tape}
	n := video(t, s)
	seq, rtp, now := uint16(7), uint32(5), start
	s.Report(n, ntp(now), rtp, now)
	for i := range 90 {
		for j, p := range picture(&seq, rtp, i == 0, 4) {
			if i == 40 && j == 2 || i == 60 && j == 0 {
				continue
			}
			s.Push(n, p, now)
		}
		now = now.Add(time.Second / 30)
		rtp += 3000
		s.Tick(now)
	}
	if len(tape.frames) != 88 || tape.lost != 2 {
		t.Errorf("%d frames, %d lost", len(tape.frames), tape.lost)
	}
	if got := s.Track(n).Lost(); got != 2 {
		t.Errorf("%d packets lost", got)
	}
}

// TestSoundAndPictureShareAClock sends sound whose packets take 200 ms longer;
// the sender's reports tell the truth.
func TestSoundAndPictureShareAClock(t *testing.T) {
	tape := &tape{}
	s := &track.Session{Sink: tape}
	v := video(t, s)
	a, err := s.Add(track.Format{Codec: chunk.Opus, Rate: 48000, Channels: 2, Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	seq, away := uint16(1), 3*time.Hour // the sender's clock
	for ms := range 6000 {
		now := start.Add(time.Duration(ms) * time.Millisecond)
		if ms%40 == 0 {
			for _, p := range picture(&seq, uint32(ms*90), ms%2000 == 0, 2) {
				s.Push(v, p, now)
			}
		}
		if sent := ms - 200; sent >= 0 && sent%20 == 0 {
			s.Push(a, track.Packet{Sequence: uint16(sent / 20), Time: uint32(sent * 48), Payload: []byte{1}}, now)
		}
		if ms == 250 {
			s.Report(v, ntp(now.Add(away)), uint32(ms*90), now)
		}
		if ms == 2300 {
			s.Report(a, ntp(now.Add(away)), uint32(ms*48), now)
		}
		s.Tick(now)
	}
	if tape.begins != 1 || !tape.synced[0] || len(tape.tracks) != 2 {
		t.Fatalf("%+v", tape)
	}
	first := map[uint8]int64{}
	for _, f := range tape.frames {
		if _, ok := first[f.Track]; !ok {
			first[f.Track] = f.At
		}
	}
	if d := first[1] - first[2]; d < -2 || d > 2 || first[1] != start.UnixMilli() {
		t.Errorf("sound is %d ms off, picture begins at %d", d, first[1]-start.UnixMilli())
	}
}

// TestClocksThatJump: one stray frame is passed over, a jump of the sender's
// wall clock changes nothing, a jump of RTP time begins another take.
func TestClocksThatJump(t *testing.T) {
	tape := &tape{}
	s := &track.Session{Sink: tape}
	n := video(t, s)
	seq, rtp, now := uint16(1), uint32(0), start
	wall := time.Duration(0)
	for i := range 600 {
		stamp := rtp
		switch {
		case i == 100:
			stamp += 9800 * 90000
		case i == 200:
			wall = 9800 * time.Second
		case i == 400:
			rtp += 100_000_000
			stamp = rtp
		}
		if i%30 == 0 {
			s.Report(n, ntp(now.Add(wall)), rtp, now)
		}
		for _, p := range picture(&seq, stamp, i%30 == 0, 1) {
			s.Push(n, p, now)
		}
		now = now.Add(time.Second / 30)
		rtp += 3000
		s.Tick(now)
	}
	s.End(chunk.Left, now)
	if tape.begins != 2 || !slices.Equal(tape.reasons, []chunk.Reason{chunk.Jumped, chunk.Left}) {
		t.Errorf("%d takes, %v", tape.begins, tape.reasons)
	}
	if len(tape.frames) < 590 {
		t.Errorf("%d frames of 600", len(tape.frames))
	}
	for i, f := range tape.frames {
		if at := f.At - start.UnixMilli(); at < 0 || at > 20_100 {
			t.Fatalf("frame %d at %d", i, at)
		}
	}
}

func FuzzSession(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, uint8(0))
	f.Add([]byte{0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 0xff, 0xfe, 3}, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, which uint8) {
		codecs := []chunk.Codec{chunk.VP8, chunk.VP9, chunk.AV1, chunk.H264, chunk.H265, chunk.Opus, chunk.AAC}
		s := &track.Session{Sink: &chunk.Recorder{Stream: "x"}}
		n, err := s.Add(track.Format{Codec: codecs[int(which)%len(codecs)], Rate: 90000, Patience: 100 * time.Millisecond})
		if err != nil {
			t.Skip()
		}
		now := start
		s.Report(n, ntp(now), 0, now)
		for len(data) > 4 { // packets out of order, cut and doubled, as the data says
			size := min(int(data[0])%40, len(data)-4)
			p := track.Packet{Sequence: uint16(data[1]), Time: uint32(binary.BigEndian.Uint16(data[1:])) * 100, Marker: data[3]&1 == 1, Payload: data[4 : 4+size]}
			s.Push(n, p, now)
			data = data[4+size:]
			now = now.Add(10 * time.Millisecond)
			s.Tick(now)
		}
		s.End(chunk.Left, now)
	})
}
