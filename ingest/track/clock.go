package track

import (
	"math"
	"time"
)

// Clock says when the gateway would have seen what a sender stamped. The
// sender's reports tie the times of all its tracks to one clock of its own;
// how far that is from ours is learned when reports come, and followed slowly,
// so that neither a jump of the sender's clock nor jitter moves the footage.
type Clock struct {
	ties   map[uint8]tie
	offset float64 // milliseconds to add to the sender's clock to get ours
	known  bool    // a report has come
}

// tie is what a sender report says: this RTP time was at that time. A track
// without reports is tied to the arrival of its first unit.
type tie struct {
	rtp     int64
	at      float64 // sender's milliseconds; ours, when guessed
	rate    float64 // ticks a millisecond
	guessed bool
}

// maxDrift is how many milliseconds a report may move the offset: 5 s between
// reports, so 200 parts in a million.
const maxDrift = 1.0

// jump is how far sender and gateway may disagree before one of them has
// jumped.
const jump = 5000.0

// Report takes a sender report of a track: RTP time (unwrapped) and the NTP
// time of the same moment, which came at now.
func (c *Clock) Report(track uint8, rtp int64, rate int, ntp uint64, now time.Time) {
	t := tie{rtp: rtp, at: ntpMillis(ntp), rate: float64(rate) / 1000}
	sample := float64(now.UnixMicro())/1000 - t.at
	step, stepped := c.stepped(track, t, sample)
	switch {
	case stepped:
		c.shift(c.offset - step)
	case !c.known:
		c.offset, c.known = sample, true
	case sample-c.offset > jump || c.offset-sample > jump:
		c.shift(sample)
	case sample < c.offset: // it came faster: nearer to the truth
		c.offset = max(sample, c.offset-50*maxDrift)
	default:
		c.offset = min(sample, c.offset+maxDrift)
	}
	c.tie(track, t)
}

// stepped reports by how many milliseconds the sender has set its clock since
// the track's last report: its RTP time went on, and the report came when it
// was due, but the clock shows another time.
func (c *Clock) stepped(track uint8, t tie, sample float64) (step float64, ok bool) {
	old, tied := c.ties[track]
	if !tied || old.guessed {
		return 0, false
	}
	step = t.at - (old.at + float64(t.rtp-old.rtp)/old.rate)
	due := c.offset - sample // by how much the clock seems to have been set, delays included
	return step, math.Abs(step) > least && math.Abs(step-due) < math.Abs(step)/2
}

// least is the smallest step of a sender's clock that is told from jitter.
const least = 20.0

// shift changes the offset and moves no footage: what ties the tracks until
// their next reports changes as much the other way.
func (c *Clock) shift(offset float64) {
	for track, t := range c.ties {
		if !t.guessed {
			t.at += c.offset - offset
			c.ties[track] = t
		}
	}
	c.offset = offset
}

// Forget unties a track: its RTP time has jumped. The others stay as they are.
func (c *Clock) Forget(track uint8) { delete(c.ties, track) }

// Guess ties a track without reports to the arrival of its unit.
func (c *Clock) Guess(track uint8, rtp int64, rate int, now time.Time) {
	c.tie(track, tie{rtp: rtp, at: float64(now.UnixMicro()) / 1000, rate: float64(rate) / 1000, guessed: true})
}

func (c *Clock) tie(track uint8, t tie) {
	if c.ties == nil {
		c.ties = map[uint8]tie{}
	}
	c.ties[track] = t
}

// Knows reports whether a report has tied the track.
func (c *Clock) Knows(track uint8) bool {
	t, ok := c.ties[track]
	return ok && !t.guessed
}

// At is when the gateway would have seen an RTP time, milliseconds since 1970;
// false while nothing ties the track.
func (c *Clock) At(track uint8, rtp int64) (int64, bool) {
	t, ok := c.ties[track]
	if !ok {
		return 0, false
	}
	at := t.at + float64(rtp-t.rtp)/t.rate
	if !t.guessed {
		at += c.offset
	}
	return int64(at), true
}

// ntpMillis is an NTP timestamp (RFC 5905 §6) in milliseconds since 1970.
func ntpMillis(ntp uint64) float64 {
	const since1900 = 2_208_988_800
	return (float64(ntp>>32)-since1900)*1000 + float64(ntp&0xffffffff)*1000/(1<<32)
}
