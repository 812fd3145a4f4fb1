package uplink

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"headgate/shardlog"
)

// Space holds what was used of the budgets: one key, value JSON.
const Space shardlog.Space = "uplink"

const (
	budgetKey = "used"
	leases    = 200            // of a budget: each is set aside durably before it is used
	begins    = 0.90           // of a budget: beyond it nothing begins
	ends      = 0.95           // of a budget: beyond it only alarms go on
	really    = 25 * time.Hour // a day has gone by, whatever the clock says
	dayForm   = "2006-01-02"
)

// used is what is kept. It counts what was set aside, so that a crash counts
// too much and never too little.
type used struct {
	Day       string `json:"day"` // the latest that was seen
	DayUsed   int64  `json:"day_used"`
	MonthUsed int64  `json:"month_used"`
}

// roll begins a new day, or a new month, when the clock has come to one. A
// clock that goes back begins none: budgets are not made anew by a boot at a
// wrong time.
func (s *used) roll(today string) {
	if today <= s.Day {
		return
	}
	if s.Day == "" || today[:len("2006-01")] > s.Day[:len("2006-01")] {
		s.MonthUsed = 0
	}
	s.Day, s.DayUsed = today, 0
}

// budget is what a day and a month may use. The bytes are set aside in parts,
// each durable before it is used, so that the flash is written a few hundred
// times a day.
type budget struct {
	c     Config
	lease int64

	mu      sync.Mutex
	now     used             // guarded by mu: as it is kept
	version shardlog.Version // guarded by mu
	known   bool             // guarded by mu: now was read
	left    int64            // guarded by mu: of what is set aside; negative: spent in advance
	back    time.Time        // guarded by mu: since when the clock is behind Day; zero: it is not
}

func newBudget(c Config) *budget {
	b := &budget{c: c, lease: 1 << 62}
	for _, n := range []int64{c.Day, c.Month} {
		if n > 0 {
			b.lease = min(b.lease, max(n/leases, slice))
		}
	}
	return b
}

// open reports whether n bytes may be used: up to a part of each budget.
func (b *budget) open(now time.Time, part float64, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.rolled(now)
	more := int64(n) - b.left // left may be negative: spent in advance
	return (b.c.Day == 0 || float64(s.DayUsed+more) <= part*float64(b.c.Day)) && (b.c.Month == 0 || float64(s.MonthUsed+more) <= part*float64(b.c.Month))
}

// rolled is what is used as of now, without keeping it.
func (b *budget) rolled(now time.Time) used {
	s := b.now
	today := now.In(b.c.Zone).Format(dayForm)
	switch {
	case today >= s.Day:
		b.back = time.Time{}
	case b.back.IsZero():
		b.back = now
	case now.Sub(b.back) > really: // the latest day was a mistake
		s.Day = now.In(b.c.Zone).AddDate(0, 0, -1).Format(dayForm)
	}
	s.roll(today)
	return s
}

// short reports whether nothing is left of what was set aside.
func (b *budget) short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.known || b.left <= 0
}

// spend counts bytes that went by.
func (b *budget) spend(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left -= n
}

// refill sets more aside when little is left. It is called before a batch is
// begun, and now and then. Kinds: those of States.
func (b *budget) refill(ctx context.Context, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range 4 {
		if !b.known {
			if err := b.read(ctx); err != nil {
				return err
			}
		}
		if b.left > b.lease/2 && b.rolled(now) == b.now {
			return nil
		}
		next := b.rolled(now)
		more := b.lease - b.left
		if next.Day != b.now.Day {
			next.MonthUsed += max(-b.left, 0) // what yesterday spent in advance is the month's still
			b.left, more = 0, b.lease
		}
		next.DayUsed += more
		next.MonthUsed += more
		err := b.write(ctx, next)
		if err == nil {
			b.left += more
			return nil
		}
		if shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
		b.known = false // another gateway has led meanwhile
	}
	return shardlog.Errorf(shardlog.Unavailable, "set bytes of the uplink aside", "others do so too")
}

func (b *budget) read(ctx context.Context) error {
	text, version, err := b.c.States.Get(ctx, Space, budgetKey)
	switch {
	case shardlog.KindOf(err) == shardlog.NotFound:
		b.now, b.version, b.known = used{}, 0, true
		return nil
	case err != nil:
		return fmt.Errorf("read what the uplink used: %w", err)
	}
	var s used
	if err := json.Unmarshal(text, &s); err != nil || len(s.Day) != len(dayForm) {
		return shardlog.Errorf(shardlog.Corrupt, "read what the uplink used", "%q", text)
	}
	b.now, b.version, b.known = s, version, true
	return nil
}

func (b *budget) write(ctx context.Context, s used) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep what the uplink used: %w", err)
	}
	expect := shardlog.Absent()
	if b.version != 0 {
		expect = shardlog.At(b.version)
	}
	if err := b.c.States.Mutate(ctx, shardlog.Mutation{Space: Space, Key: budgetKey, Value: text, Expect: expect}); err != nil {
		b.known = false // whether it was kept is asked again
		return err
	}
	_, version, err := b.c.States.Get(ctx, Space, budgetKey)
	if err != nil {
		b.known = false
		return err
	}
	b.now, b.version = s, version
	return nil
}

// status is what is used, and when there is more.
func (b *budget) status(now time.Time) used {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.rolled(now)
	s.DayUsed -= b.left
	s.MonthUsed -= b.left
	s.DayUsed, s.MonthUsed = max(s.DayUsed, 0), max(s.MonthUsed, 0)
	return s
}
