package track

import (
	"slices"
	"time"

	"headgate/ingest/chunk"
)

// Sink takes the footage of one camera: a chunk.Recorder.
type Sink interface {
	Begin(tracks []chunk.Track, unsynced bool)
	Tracks(tracks []chunk.Track)
	Frame(f chunk.Frame)
	Lose()
	End(why chunk.Reason)
}

// Session makes footage of the tracks of one sender. The first frames wait
// until the sender has said when they were, or until it is plain that it will
// not. It is not safe for concurrent use.
type Session struct {
	Sink   Sink
	Expect int // tracks that will come; the first frames wait for all of them

	tracks  []*member
	clock   Clock
	held    []heldUnit
	since   time.Time // of the first unit
	running bool
	again   bool // a take has ended by a jump
	config  []chunk.Track
	broken  bool // a picture came incomplete, and no key frame since
	lastKey time.Time
}

type member struct {
	number   uint8
	track    *Track
	rate     int
	seen     bool
	shown    chunk.Track // as told to the sink
	ready    bool
	last     int64 // time of its latest frame
	strays   int   // units in a row whose time cannot be
	reports  []report
	reported bool // it has ever had one
}

type report struct {
	rtp uint32
	ntp uint64
	at  time.Time
}

type heldUnit struct {
	*member
	Unit
	at time.Time
}

// holdTime is how long the first frames wait for reports: browsers send the
// first one of sound after 2.3 s.
const holdTime = 3 * time.Second

// maxHeldUnits bounds what waits.
const maxHeldUnits = 2000

// maxStrays is how many frames in a row may be stamped far from now before the
// sender's clock is believed to have jumped.
const maxStrays = 5

// Add adds a track and answers the number under which Push knows it.
func (s *Session) Add(f Format) (uint8, error) {
	t, err := New(f)
	if err != nil {
		return 0, err
	}
	number := chunk.AudioTrack
	if f.Codec.Video() {
		number = chunk.VideoTrack
	}
	s.tracks = append(s.tracks, &member{number: number, track: t, rate: f.Rate})
	return number, nil
}

// Track is the receiving end of a track, for Missing; nil when there is none.
func (s *Session) Track(number uint8) *Track {
	if m := s.member(number); m != nil {
		return m.track
	}
	return nil
}

func (s *Session) member(number uint8) *member {
	for _, m := range s.tracks {
		if m.number == number {
			return m
		}
	}
	return nil
}

// Push takes a packet of a track.
func (s *Session) Push(number uint8, p Packet, now time.Time) {
	m := s.member(number)
	if m == nil {
		return
	}
	s.take(m, m.track.Push(p, now), now)
}

// Report takes a sender report of a track.
func (s *Session) Report(number uint8, ntp uint64, rtp uint32, now time.Time) {
	m := s.member(number)
	if m == nil || ntp == 0 {
		return
	}
	if !m.track.time.known { // nothing to unwrap it by
		m.reports = append(m.reports[:0], report{rtp, ntp, now})
		return
	}
	s.tie(m, report{rtp, ntp, now})
	s.release(now)
}

// tie takes a report. One that speaks of another time than the packets do is
// passed over: such senders are believed no more than those without reports.
func (s *Session) tie(m *member, r report) {
	at := m.near(r.rtp)
	if away := (at - m.track.time.last) / int64(m.rate); away > maxAway || away < -maxAway {
		return
	}
	s.clock.Report(m.number, at, m.rate, r.ntp, r.at)
	m.reported = true
}

// maxAway is how many seconds a report may be away from the latest packet.
const maxAway = 30

// near unwraps an RTP time by the latest packet's.
func (m *member) near(rtp uint32) int64 {
	last := m.track.time.last
	return last + int64(int32(rtp-uint32(last)))
}

// Broken reports whether pictures depend on one that came incomplete.
func (s *Session) Broken() bool { return s.broken }

// LastKey is when the latest key frame came.
func (s *Session) LastKey() time.Time { return s.lastKey }

// Tick is to be called some times a second: what is waited for in vain is
// given up.
func (s *Session) Tick(now time.Time) {
	for _, m := range s.tracks {
		s.take(m, m.track.Tick(now), now)
	}
	s.release(now)
}

// End ends the take.
func (s *Session) End(why chunk.Reason, now time.Time) {
	if len(s.held) > 0 {
		s.begin(now)
	}
	s.Sink.End(why)
	s.running = false
}

func (s *Session) take(m *member, units []Unit, now time.Time) {
	for _, u := range units {
		if m.number == chunk.VideoTrack && (u.Broken || u.Key) {
			s.broken = u.Broken
			if u.Key {
				s.lastKey = now
			}
		}
		if len(m.reports) > 0 {
			r := m.reports[0]
			m.reports = nil
			s.tie(m, r)
		}
		if s.since.IsZero() {
			s.since = now
		}
		m.seen = m.seen || !u.Broken
		if !s.running {
			s.held = append(s.held, heldUnit{m, u, now})
			continue
		}
		s.emit(m, u, now)
	}
	if len(units) > 0 && !s.running {
		s.release(now)
	}
}

// release lets the first frames go when every track that speaks is tied.
func (s *Session) release(now time.Time) {
	if s.running || len(s.held) == 0 {
		return
	}
	waiting := len(s.tracks) < s.Expect
	for _, m := range s.tracks {
		waiting = waiting || !m.seen || !s.clock.Knows(m.number) && (m.reported || !s.again)
	}
	if waiting && now.Sub(s.since) < holdTime && len(s.held) < maxHeldUnits {
		return
	}
	s.begin(now)
}

// begin begins the take with what has come so far.
func (s *Session) begin(time.Time) {
	unsynced := false
	for _, h := range s.held {
		if !h.Broken && !s.clock.Knows(h.number) {
			unsynced = true
			if _, tied := s.clock.At(h.number, h.Time); !tied {
				s.clock.Guess(h.number, h.Time, h.rate, h.at)
			}
		}
	}
	s.show()
	s.Sink.Begin(s.config, unsynced)
	s.running = true
	held := s.held
	s.held = nil
	for i, h := range held {
		s.emit(h.member, h.Unit, h.at)
		if !s.running { // its time has jumped meanwhile
			s.held = append(s.held, held[i+1:]...)
			return
		}
	}
}

// show notes how the tracks that speak are coded; changed says that it is new.
func (s *Session) show() (changed bool) {
	s.config = s.config[:0:0]
	for _, m := range s.tracks {
		t, ok := m.track.Config()
		if !ok || !m.seen {
			continue
		}
		changed = changed || !m.ready || !m.shown.Same(t)
		m.shown, m.ready = t, true
		s.config = append(s.config, t)
	}
	slices.SortFunc(s.config, func(a, b chunk.Track) int { return int(a.Number) - int(b.Number) })
	return changed
}

// emit hands one unit on.
func (s *Session) emit(m *member, u Unit, now time.Time) {
	if u.Broken {
		s.Sink.Lose()
		return
	}
	if _, tied := s.clock.At(m.number, u.Time); !tied {
		s.clock.Guess(m.number, u.Time, m.rate, now)
	}
	at, _ := s.clock.At(m.number, u.Time)
	if m.strayed(at, now) {
		if m.strays++; m.strays < maxStrays {
			s.Sink.Lose()
			return
		}
		s.restart(m, u, now)
		return
	}
	m.strays = 0
	if u.Key || !m.ready {
		if s.show() {
			s.Sink.Tracks(s.config)
		}
	}
	if !m.ready {
		return
	}
	switch {
	case m.number == chunk.AudioTrack:
		at = max(at, m.last+1)
	case at == m.last: // two pictures of one stamp
		at++
	}
	m.last = at
	s.Sink.Frame(chunk.Frame{Track: m.number, At: at, Key: u.Key, Data: u.Data})
}

// late is how long what was sent may have been under way; back is how far a
// picture may be shown before the one that came before it.
const (
	late = 60_000
	back = 2000
)

// strayed reports whether a unit of that time cannot be: it is far from now,
// or far behind what came before it.
func (m *member) strayed(at int64, now time.Time) bool {
	ahead := at - now.UnixMilli()
	return ahead > jump || ahead < -late || m.last > 0 && at < m.last-back
}

// restart begins a take of its own where a track's time has jumped.
func (s *Session) restart(m *member, u Unit, now time.Time) {
	s.Sink.End(chunk.Jumped)
	s.clock.Forget(m.number)
	m.last, m.strays = 0, 0
	s.held, s.running, s.again, s.since = []heldUnit{{m, u, now}}, false, true, now
	s.release(now)
}
