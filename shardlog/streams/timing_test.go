package streams

import (
	"testing"
	"time"

	"headgate/shardlog/block"
)

// reading is what the clocks say, and what should come of it; times are from
// noon, the stamp of the newest record.
type reading struct {
	wall, up time.Duration
	synced   bool
	at       time.Duration
	mark     block.Clock
	mayTrim  bool
}

const (
	synced   = block.Synced
	unsynced = block.Unsynced
	stepped  = block.Stepped
	day      = 24 * time.Hour
	year     = 365 * day
	s        = time.Second
	h        = time.Hour
)

func TestTiming(t *testing.T) {
	y1970 := time.Unix(100, 0).Sub(noon)
	tests := map[string][]reading{
		"an ordinary day": {
			{s, 0, true, s, synced, true}, {2 * s, s, true, 2 * s, synced, true}, {day, day - s, true, day, synced, true}},
		"a time server that slews": {
			{s, 0, true, s, synced, true}, {3 * s, s, true, 3 * s, synced, true}},
		"power cut, wakes in 1970": {
			{y1970, 0, false, 0, unsynced, true}, {y1970 + s, s, false, s, unsynced, true},
			{600 * s, 30 * s, true, 600 * s, synced, true}},
		"power cut for a week, wakes in 1970": {
			{y1970, 0, false, 0, unsynced, true}, {7 * day, 30 * s, true, 7 * day, synced, false},
			{8 * day, day + 29*s, true, 8 * day, synced, false}, {8*day + s, day + 30*s, true, 8*day + s, synced, true}},
		"off for a week, synced at once": {
			{7 * day, 0, true, 7 * day, synced, false}, {8 * day, day, true, 8 * day, synced, true}},
		"a short stop with a battery, no server yet": {
			{5 * s, 0, false, 5 * s, unsynced, true}, {6 * s, s, false, 6 * s, unsynced, true}},
		"never a server: uptime counts": {
			{3 * h, 0, false, 0, unsynced, true}, {3*h + year, year, false, year, unsynced, true}},
		"jumps a year while running": {
			{s, 0, true, s, synced, true}, {year, s, true, 2 * s, stepped, false}, {year + s, 2 * s, true, 3 * s, stepped, false},
			{10 * s, 9 * s, true, 10 * s, synced, true}},
		"a jump that stands for a day": {
			{s, 0, true, s, synced, true}, {year, s, true, 2 * s, stepped, false}, {year + day - s, day, true, day + s, stepped, false},
			{year + day, day + s, true, year + day, synced, true}},
		"a jump that jumps again": {
			{s, 0, true, s, synced, true}, {year, s, true, 2 * s, stepped, false}, {2 * year, day, true, day + s, stepped, false},
			{2*year + h, day + h, true, day + h + s, stepped, false}},
		"half an hour forward": {
			{s, 0, true, s, synced, true}, {h / 2, s, true, h / 2, synced, true}},
		"half an hour back: half speed until it fits": {
			{s, 0, true, s, synced, true}, {-h / 2, s, true, s + s/2, synced, true}, {0, s + h/2, true, s + s/2 + h/4, synced, true},
			{h / 2, s + h, true, s + s/2 + h/2, synced, true}, {h, s + 3*h/2, true, h, synced, true}},
		"a day back": {
			{s, 0, true, s, synced, true}, {-day, s, true, 2 * s, stepped, false}, {-day + h, s + h, true, 2*s + h, stepped, false},
			{0, s + day, true, s + s + h + (day-h)/2, stepped, true}},
		"local time in the clock of the board": {
			{h, 0, true, h, synced, true}, {s, s, true, h + s/2, synced, true}},
		"loses its server, keeps its time": {
			{s, 0, true, s, synced, true}, {h, h, false, h + s, unsynced, true}, {h + 2*s, h + s, true, h + 2*s, synced, true}},
	}
	for name, readings := range tests {
		t.Run(name, func(t *testing.T) {
			var c timing
			c.floor(noon, 0)
			for i, r := range readings {
				got := c.tell(noon.Add(r.wall), r.up, r.synced)
				if want := noon.Add(r.at); !got.At.Equal(want) || got.Mark != r.mark || c.mayTrim(r.up) != r.mayTrim {
					t.Fatalf("reading %d: %v %v, may trim %v, want %v %v %v", i, got.At, got.Mark, c.mayTrim(r.up), want, r.mark, r.mayTrim)
				}
			}
		})
	}
}

func TestTimingOfTheFirstStart(t *testing.T) {
	tests := map[string]struct {
		wall   time.Time
		synced bool
		want   time.Time
		mark   block.Clock
	}{
		"in 1970":       {time.Unix(5, 0), false, builtNotBefore, unsynced},
		"1970 for sure": {time.Unix(5, 0), true, builtNotBefore, unsynced},
		"a battery":     {noon, false, noon, unsynced},
		"a time server": {noon, true, noon, synced},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var c timing
			got := c.tell(test.wall, 0, test.synced)
			if !got.At.Equal(test.want) || got.Mark != test.mark || !c.mayTrim(0) {
				t.Errorf("%v %v, want %v %v", got.At, got.Mark, test.want, test.mark)
			}
			later := c.tell(test.wall.Add(s), s, test.synced)
			if later.At.Before(got.At) {
				t.Errorf("then %v, before %v", later.At, got.At)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	tests := map[string]struct {
		wall time.Duration
		want time.Duration
		mark block.Clock
	}{
		"a week ahead": {7 * day, 7*day + s, synced},
		"a day behind": {-day, 2*s + s/2, stepped}, // towards it at half speed
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var c timing
			c.floor(noon, 0)
			c.tell(noon.Add(s), 0, true)
			c.tell(noon.Add(test.wall), s, true)
			if c.mayTrim(s) {
				t.Fatal("a jump expires records")
			}
			c.trust(noon.Add(test.wall), s)
			got := c.tell(noon.Add(test.wall+s), 2*s, true)
			if !got.At.Equal(noon.Add(test.want)) || got.Mark != test.mark || !c.mayTrim(2*s) {
				t.Errorf("%v %v, may trim %v, want %v %v", got.At, got.Mark, c.mayTrim(2*s), noon.Add(test.want), test.mark)
			}
		})
	}
}

func TestTimingNeverGoesBack(t *testing.T) {
	var c timing
	c.floor(noon, 0)
	last := noon
	walls := []time.Duration{0, year, -year, h, -h, 2 * h, 0, 3 * year, s, -day}
	for i := range 10000 {
		up := time.Duration(i) * 700 * s
		got := c.tell(noon.Add(walls[i*7919%len(walls)]+up), up, i%3 > 0)
		if got.At.Before(last) || got.At.Nanosecond()%1e6 != 0 {
			t.Fatalf("reading %d: %v after %v", i, got.At, last)
		}
		last = got.At
		c.floor(got.At.Add(-h), up)
	}
}
