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
	// Peers is how far the median clock of those peers lies ahead whose kernels
	// say that they are synchronised, and how many they are; nil: there are none.
	Peers func() (ahead time.Duration, n int)

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
	Held bool // it was believed without much reason: nothing may expire by it yet
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
	return c.timing.tell(c.Wall(), c.Uptime(), c.believed())
}

// believed reports whether the wall clock is as good as a time server's word:
// the kernel says so, or it lies near the peers that have one. Two peers that
// agree outvote our own kernel.
func (c *Clock) believed() bool {
	synced := c.Synced()
	if c.Peers == nil {
		return synced
	}
	ahead, n := c.Peers()
	near := ahead.Abs() <= nearPeers
	switch n {
	case 0:
		return synced
	case 1:
		return synced || near
	}
	return near
}

// Trusted reports whether the wall clock is near the truth, as far as can be known.
func (c *Clock) Trusted() bool { return c.Stamp().Mark == block.Synced }

// MayTrim reports whether records may be given up by their age now.
func (c *Clock) MayTrim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.tell(c.Wall(), c.Uptime(), c.believed())
	return c.timing.mayTrim(c.Uptime())
}

// Trust is an operator's word that the wall clock is right as it stands.
func (c *Clock) Trust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.trust(c.Wall(), c.Uptime())
}

// Hold lets nothing expire for a day: an earlier run had begun to wait for that.
func (c *Clock) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.hold = max(c.timing.hold, c.Uptime()+agreement)
}

const (
	nearPeers = 5 * time.Minute // two clocks this near agree
	plausible = time.Hour       // a clock this far off is believed
	agreement = 24 * time.Hour  // how long a jump must stand before it is
	steady    = time.Minute     // how much a jump may drift meanwhile
)

// builtNotBefore is a moment before which no gateway can have run.
var builtNotBefore = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
