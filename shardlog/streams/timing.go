package streams

import (
	"time"

	"headgate/shardlog/block"
)

// timing is the pure core of Clock: it is told what the clocks say.
//
// A synchronised wall clock is followed while it stays within an hour of the
// last stamp and the time elapsed since. Further off it is believed at once
// only when it is the first word of a time server since the process began:
// boards without a battery wake up in the past. Then, though, nothing expires
// for a day. A later jump must stand for a day, or have an operator's word;
// until then time goes on from before. Time never goes back: towards a wall
// clock that is behind, it goes at half its speed.
type timing struct {
	last   time.Time     // the last stamp
	at     time.Duration // uptime then
	told   bool          // asked since the process began
	synced bool          // the kernel has said so since the process began
	hold   time.Duration // uptime before which nothing expires

	jumped bool          // the wall is further off than is plausible
	base   time.Time     // the wall's time at uptime zero, by the jump
	since  time.Duration // uptime at which the jump was first seen
	agreed bool          // the jump has stood long enough
}

func (t *timing) floor(floor time.Time, up time.Duration) {
	if floor.After(t.last) {
		t.last, t.at = floor, up
	}
}

// tell answers the stamp for a moment at which the clocks say wall and up.
func (t *timing) tell(wall time.Time, up time.Duration, synced bool) Stamp {
	wall = wall.UTC()
	at, mark := t.judge(wall, up, synced)
	t.told = true
	t.synced = t.synced || synced
	if at = at.Truncate(time.Millisecond); at.After(t.last) {
		t.last, t.at = at, up
	}
	return Stamp{t.last, mark, up < t.hold}
}

func (t *timing) judge(wall time.Time, up time.Duration, synced bool) (time.Time, block.Clock) {
	expected := t.last.Add(up - t.at)
	off := wall.Sub(expected)
	far := off.Abs() > plausible
	if !far || !synced {
		t.jumped, t.agreed = false, false
	}
	switch {
	case t.last.IsZero():
		return t.first(wall, synced)
	case !synced && !t.told && off >= 0 && !far:
		return wall, block.Unsynced // a short stop
	case !synced:
		return expected, block.Unsynced
	case !far:
		return t.towards(wall, up), block.Synced
	case off > 0 && !t.synced:
		t.hold = up + agreement
		return wall, block.Synced
	}
	t.watch(wall, up)
	switch {
	case !t.agreed:
		return expected, block.Stepped
	case off > 0:
		t.jumped = false
		return wall, block.Synced
	}
	return t.towards(wall, up), block.Stepped
}

// first is the time of a gateway that has never stamped anything.
func (t *timing) first(wall time.Time, synced bool) (time.Time, block.Clock) {
	switch {
	case wall.Before(builtNotBefore):
		return builtNotBefore, block.Unsynced
	case synced:
		return wall, block.Synced
	}
	return wall, block.Unsynced
}

// towards is the wall's time, or the way to it when it lies behind.
func (t *timing) towards(wall time.Time, up time.Duration) time.Time {
	if slow := t.last.Add((up - t.at) / 2); wall.Before(slow) {
		return slow
	}
	return wall
}

// watch notes for how long a jump has stood. A wall clock that jumps again, or
// runs at another speed, begins anew.
func (t *timing) watch(wall time.Time, up time.Duration) {
	base := wall.Add(-up)
	if !t.jumped || base.Sub(t.base).Abs() > steady {
		t.jumped, t.agreed, t.base, t.since = true, false, base, up
	}
	t.agreed = t.agreed || up-t.since >= agreement
}

func (t *timing) mayTrim(up time.Duration) bool { return up >= t.hold && (!t.jumped || t.agreed) }

func (t *timing) trust(wall time.Time, up time.Duration) {
	t.hold, t.synced = 0, true
	t.jumped, t.agreed, t.base, t.since = true, true, wall.Add(-up), up
	t.floor(wall, up)
}
