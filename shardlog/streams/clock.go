package streams

import (
	"sync"
	"time"

	"headgate/shardlog/block"
)

// Clock makes the arrival times that become data. They never go back, and a
// clock that jumps does not take them along: a single wrong answer of a time
// server must not expire a year of records.
type Clock struct {
	// Wall, Uptime and Synced may be replaced before the first use; nil is
	// the machine's.
	Wall   func() time.Time
	Uptime func() time.Duration // monotonic, since any moment
	Synced func() bool          // does the kernel say that the clock is synchronised

	mu     sync.Mutex
	timing timing
}

// NewClock is the machine's clock.
func NewClock() *Clock {
	start := time.Now()
	return &Clock{Wall: time.Now, Uptime: func() time.Duration { return time.Since(start) }, Synced: kernelSynced}
}

// Stamp is an arrival time, and how far it can be trusted.
type Stamp struct {
	At   time.Time // millisecond precision
	Mark block.Clock
}

// Floor tells the clock that time has been at least that far.
func (c *Clock) Floor(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.floor(t, c.Uptime())
}

// Stamp is the time to write down now.
func (c *Clock) Stamp() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timing.tell(c.Wall(), c.Uptime(), c.Synced())
}

// Trusted reports whether the wall clock is near the truth, as far as can be known.
func (c *Clock) Trusted() bool { return c.Stamp().Mark == block.Synced }

// MayTrim reports whether records may be given up by their age now.
func (c *Clock) MayTrim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.tell(c.Wall(), c.Uptime(), c.Synced())
	return c.timing.mayTrim(c.Uptime())
}

// Trust is an operator's word that the wall clock is right as it stands.
func (c *Clock) Trust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.trust(c.Wall(), c.Uptime())
}

const (
	plausible = time.Hour      // a clock this far off is believed
	agreement = 24 * time.Hour // how long a jump must stand before it is
	steady    = time.Minute    // how much a jump may drift meanwhile
)

// builtNotBefore is a moment before which no gateway can have run.
var builtNotBefore = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// timing is the pure core of Clock: it is told the time.
type timing struct {
	last   time.Time     // the last stamp
	at     time.Duration // uptime then
	told   bool          // asked since the process began
	synced bool          // the kernel has said so since the process began
	mark   block.Clock

	jump  time.Duration // while stepped: how far the wall is from last + elapsed
	since time.Duration // uptime at which the jump was first seen
	hold  time.Duration // uptime before which nothing expires
}

func (t *timing) floor(floor time.Time, up time.Duration) {
	if floor.After(t.last) {
		t.last, t.at = floor, up
	}
}

// tell answers the stamp for a moment at which the clocks say wall and up.
func (t *timing) tell(wall time.Time, up time.Duration, synced bool) Stamp {
	wall = wall.Truncate(time.Millisecond).UTC()
	expected := t.last.Add(up - t.at)
	at, mark := t.judge(wall, expected, up, synced)
	t.told = true
	t.synced = t.synced || synced
	if at = at.Truncate(time.Millisecond); at.After(t.last) {
		t.last, t.at = at, up
	}
	t.mark = mark
	return Stamp{t.last, mark}
}

func (t *timing) judge(wall, expected time.Time, up time.Duration, synced bool) (time.Time, block.Clock) {
	off := wall.Sub(expected)
	switch {
	case t.last.IsZero():
		if wall.Before(builtNotBefore) {
			return builtNotBefore, block.Unsynced
		}
		return wall, trusted(synced)
	case !synced:
		if !t.told && off >= 0 && off <= plausible {
			return wall, block.Unsynced // a short stop
		}
		return expected, block.Unsynced
	case off.Abs() <= plausible:
		return wall, block.Synced
	case off > 0 && !t.synced:
		t.hold = up + agreement // the first word of a time server: believed, but nothing expires by it yet
		return wall, block.Synced
	}
	return t.stepped(wall, expected, up)
}

func trusted(synced bool) block.Clock {
	if synced {
		return block.Synced
	}
	return block.Unsynced
}

// stepped follows a jump only when it has stood for a day.
func (t *timing) stepped(wall, expected time.Time, up time.Duration) (time.Time, block.Clock) {
	off := wall.Sub(expected)
	if t.mark != block.Stepped || (off-t.jump).Abs() > steady {
		t.jump, t.since = off, up
	}
	if off > 0 && up-t.since >= agreement {
		return wall, block.Synced
	}
	return expected, block.Stepped
}

func (t *timing) mayTrim(up time.Duration) bool { return t.mark != block.Stepped && up >= t.hold }

func (t *timing) trust(wall time.Time, up time.Duration) {
	t.hold, t.synced, t.mark = 0, true, block.Synced
	t.floor(wall, up)
}
