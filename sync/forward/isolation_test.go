package forward

import (
	"testing"
	"time"
)

func TestIsolation(t *testing.T) {
	const grace = 5 * time.Second
	start := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	led := sight{leader: "b", term: 1}
	type step struct {
		at     float64
		does   func(m *isolation, now time.Time)
		expect bool // isolated after it
	}
	see := func(s sight) func(*isolation, time.Time) {
		return func(m *isolation, now time.Time) { m.see(now, s) }
	}
	called := func(begun float64, answered bool) func(*isolation, time.Time) {
		return func(m *isolation, now time.Time) { m.called(now, at(begun), answered) }
	}
	tick := (*isolation).tick
	for name, c := range map[string]struct {
		first   sight
		spooled bool
		steps   []step
	}{
		"nobody leads":               {steps: []step{{4.9, tick, false}, {5, tick, true}, {6, see(led), true}, {6.5, called(6.2, true), false}}},
		"a leader is found in time":  {steps: []step{{4, see(led), false}, {9, tick, false}}},
		"alone it waits for itself":  {first: sight{alone: true}, steps: []step{{60, tick, false}}},
		"its own leadership ends it": {steps: []step{{5, tick, true}, {6, see(sight{leading: true, leader: "a"}), false}}},
		"a known leader that answers no call": {first: led, steps: []step{
			{1, called(0.5, false), false}, {3, called(2, false), false}, {5.4, tick, false}, {5.5, tick, true}, {7, see(led), true}, {8, called(7.5, true), false}}},
		"another leader must answer too": {first: led, steps: []step{
			{1, called(1, false), false}, {2, see(sight{leader: "c", term: 2}), false}, {6, tick, true}}},
		"a slow call beside quick ones": {first: led, steps: []step{
			{8, called(7, true), false}, {10, called(0, false), false}, {20, tick, false}}},
		"a call that hung since before":        {first: led, steps: []step{{10, called(0, false), true}}},
		"a spool that was found":               {first: led, spooled: true, steps: []step{{0, tick, true}, {1, see(led), true}, {2, called(1.5, true), false}}},
		"a spool that was found by the leader": {first: sight{leading: true}, spooled: true, steps: []step{{0, tick, false}}},
		"a moment without a leader begins again": {first: led, steps: []step{
			{1, see(sight{}), false}, {4, see(led), false}, {5, see(sight{}), false}, {9.9, tick, false}, {10, tick, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := isolation{grace: grace}
			m.begin(start, c.first, c.spooled)
			for i, s := range c.steps {
				s.does(&m, at(s.at))
				if m.isolated != s.expect {
					t.Fatalf("step %d at %v: isolated %v", i, s.at, m.isolated)
				}
			}
		})
	}
}
