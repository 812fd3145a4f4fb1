package lab

import (
	"math/rand/v2"
	"time"
)

// Settings are what one direction of a link does to packets. The zero value
// carries everything at once.
type Settings struct {
	Delay   time.Duration // on the way
	Jitter  time.Duration // the delay is this much more or less, in order all the same
	Loss    float64       // share of packets that vanish, 0 to 1
	Reorder float64       // share of packets that are held back, so that later ones overtake
	Rate    int           // bytes a second, 0 without limit
	Down    bool          // carries nothing; what was on its way is lost too
}

// Stats count the packets of one direction of a link.
type Stats struct {
	Packets, Bytes uint64 // carried to the other end
	Lost           uint64 // by Loss
	Cut            uint64 // by Down
	Overflowed     uint64 // because too much waited already
	Waiting        int    // on their way now
}

// fate is what becomes of a packet.
type fate int

const (
	carried fate = iota
	lost
	cut
	overflowed
)

// shaper decides the fate of packets. It is told the time and reads no clock,
// and it is not safe for concurrent use.
type shaper struct {
	Settings
	random *rand.Rand
	free   time.Time // when everything taken so far has left at Rate
	last   time.Time // when the last packet in order arrives
}

// set changes the settings; packets from now on are not kept behind those
// that left under the old ones.
func (s *shaper) set(to Settings) {
	s.Settings, s.free, s.last = to, time.Time{}, time.Time{}
}

// admit decides about a packet that is handed in now, and when it arrives.
func (s *shaper) admit(now time.Time, size int) (time.Time, fate) {
	if s.Down {
		return now, cut
	}
	if s.Loss > 0 && s.random.Float64() < s.Loss {
		return now, lost
	}
	left, ok := s.leave(now, size)
	if !ok {
		return now, overflowed
	}
	at := left.Add(s.Delay + s.jitter())
	if at.Before(s.last) {
		at = s.last
	}
	if s.Reorder > 0 && s.random.Float64() < s.Reorder {
		return at.Add(s.Delay/4 + holdBack), carried
	}
	s.last = at
	return at, carried
}

// holdBack is the least time for which Reorder keeps a packet.
const holdBack = 2 * time.Millisecond

// leave is when the packet has been sent at Rate, not ok when too much waits
// before it.
func (s *shaper) leave(now time.Time, size int) (time.Time, bool) {
	if s.Rate <= 0 {
		return now, true
	}
	begin := now
	if s.free.After(now) {
		begin = s.free
	}
	if begin.Sub(now) > s.patience() {
		return now, false
	}
	s.free = begin.Add(time.Duration(float64(size) / float64(s.Rate) * float64(time.Second)))
	return s.free, true
}

// patience is how long packets may wait for a link with a Rate: as long as a
// modem's buffer makes them wait, but never less than 64 KB.
func (s *shaper) patience() time.Duration {
	const least = 64 << 10
	return max(250*time.Millisecond, time.Duration(float64(least)/float64(s.Rate)*float64(time.Second)))
}

// jitter is between -Jitter and +Jitter, and never more than undoes Delay.
func (s *shaper) jitter() time.Duration {
	if s.Jitter <= 0 {
		return 0
	}
	return max(-s.Delay, time.Duration(s.random.Int64N(int64(2*s.Jitter)+1))-s.Jitter)
}
