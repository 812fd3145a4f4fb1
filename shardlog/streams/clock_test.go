package streams_test

import (
	"testing"
	"time"

	"headgate/shardlog/block"
	"headgate/shardlog/streams"
)

// machine is a box whose clocks a test turns.
type machine struct {
	wall   time.Time
	up     time.Duration
	synced bool
	clock  *streams.Clock
}

func newMachine(wall time.Time, synced bool) *machine {
	m := &machine{wall: wall, synced: synced}
	m.clock = &streams.Clock{Wall: func() time.Time { return m.wall }, Uptime: func() time.Duration { return m.up }, Synced: func() bool { return m.synced }}
	return m
}

// pass lets time go by: d of uptime, and the wall clock with it.
func (m *machine) pass(d time.Duration) { m.up, m.wall = m.up+d, m.wall.Add(d) }

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func (m *machine) want(t *testing.T, at time.Time, mark block.Clock, trims bool) {
	t.Helper()
	s := m.clock.Stamp()
	if !s.At.Equal(at) || s.Mark != mark || m.clock.MayTrim() != trims {
		t.Fatalf("stamp %v %v, trims %v; want %v %v, trims %v", s.At, s.Mark, m.clock.MayTrim(), at, mark, trims)
	}
}

func TestASyncedClockIsFollowed(t *testing.T) {
	m := newMachine(noon, true)
	m.want(t, noon, block.Synced, true)
	m.pass(time.Minute)
	m.want(t, noon.Add(time.Minute), block.Synced, true)
	m.wall = m.wall.Add(-30 * time.Second) // a small step back
	m.want(t, noon.Add(time.Minute), block.Synced, true)
}

func TestABootIn1970GoesOnFromTheLastKnownMoment(t *testing.T) {
	m := newMachine(time.Unix(0, 0), false)
	m.clock.Floor(noon)
	m.want(t, noon, block.Unsynced, true)
	m.pass(time.Hour)
	m.want(t, noon.Add(time.Hour), block.Unsynced, true)
	// A time server answers: it was off for a weekend.
	m.wall, m.synced = noon.Add(60*time.Hour), true
	m.want(t, noon.Add(60*time.Hour), block.Synced, false)
	m.pass(25 * time.Hour)
	m.want(t, noon.Add(85*time.Hour), block.Synced, true)
}

func TestABootIn1970WithNoHistoryBeginsAtTheBuild(t *testing.T) {
	m := newMachine(time.Unix(0, 0), false)
	if s := m.clock.Stamp(); s.At.Year() < 2026 || s.Mark != block.Unsynced {
		t.Fatalf("stamp %v %v", s.At, s.Mark)
	}
}

func TestAJumpOfAYearIsNotFollowedForADay(t *testing.T) {
	m := newMachine(noon, true)
	m.clock.Stamp()
	m.pass(time.Minute)
	m.wall = m.wall.AddDate(1, 0, 0)
	m.want(t, noon.Add(time.Minute), block.Stepped, false)
	m.pass(time.Hour)
	m.want(t, noon.Add(61*time.Minute), block.Stepped, false)
	m.wall = m.wall.AddDate(-1, 0, 0) // the wrong answer is corrected
	m.want(t, noon.Add(61*time.Minute), block.Synced, true)

	m.wall = m.wall.AddDate(1, 0, 0) // and this time it stands
	m.clock.Stamp()
	m.pass(24 * time.Hour)
	m.want(t, noon.AddDate(1, 0, 0).Add(61*time.Minute+24*time.Hour), block.Synced, true)
}

func TestAnOperatorsWordEndsTheDoubt(t *testing.T) {
	m := newMachine(noon, true)
	m.clock.Stamp()
	m.wall = m.wall.Add(48 * time.Hour)
	m.want(t, noon, block.Stepped, false)
	m.clock.Trust()
	m.want(t, noon.Add(48*time.Hour), block.Synced, true)
}

func TestAClockThatGoesBackADayNeverTakesStampsAlong(t *testing.T) {
	m := newMachine(noon, true)
	m.clock.Stamp()
	m.wall = m.wall.Add(-24 * time.Hour)
	m.pass(time.Minute)
	m.want(t, noon.Add(time.Minute), block.Stepped, false)
}
