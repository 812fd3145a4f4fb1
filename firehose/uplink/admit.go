package uplink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// lookEvery lies between looks at what holds a lane: windows and budgets turn
// by the minute.
const lookEvery = 5 * time.Second

// Admit waits until the lane may begin a batch: its window is open, the
// budget has bytes for it, and the link is not known to be down, or it is this
// lane's turn to try. It ends with ctx, or with an error of the states that
// keep the budget.
func (l *Lane) Admit(ctx context.Context) error {
	if l.priority == Free {
		return ctx.Err()
	}
	defer l.hold("")
	for {
		why, wait, err := l.closed(ctx, time.Now())
		if err != nil {
			return err
		}
		if why == "" {
			return ctx.Err()
		}
		l.hold(why)
		t := time.NewTimer(min(max(wait, 10*time.Millisecond), lookEvery))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// closed says why the lane may not begin, and when to look again; "" when it may.
func (l *Lane) closed(ctx context.Context, now time.Time) (why string, wait time.Duration, err error) {
	wall := now.In(l.u.c.Zone)
	if l.priority == Bulk && len(l.u.c.Windows) > 0 && !slices.ContainsFunc(l.u.c.Windows, func(w Window) bool { return w.open(wall) }) {
		return fmt.Sprint("it goes at ", l.u.c.Windows), lookEvery, nil
	}
	if b := l.u.budget; b != nil {
		part := begins
		if l.priority == Alarm {
			part = 1
		}
		if err := b.refill(ctx, now); err != nil {
			return "", 0, err
		}
		if !b.open(now, part, slice) {
			return ErrBudget.Error(), lookEvery, nil
		}
	}
	if ok, wait := l.u.link.attempt(now); !ok {
		return "the link is down", wait, nil
	}
	return "", 0, nil
}

func (l *Lane) hold(why string) {
	l.u.mu.Lock()
	defer l.u.mu.Unlock()
	l.held = why
}

// Uptime is how long the link was up since the start: the clock of retries,
// which stands while nothing could arrive anyway. A free lane has no link, so
// its time goes on.
func (l *Lane) Uptime() time.Duration {
	if l.priority == Free {
		return time.Since(l.u.began)
	}
	return l.u.link.uptime(time.Now())
}

// Find is the lane of the name, zero when there is none.
func (u *Uplink) Find(name string) LaneStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.lanes[name]; l != nil {
		return l.status()
	}
	return LaneStatus{}
}

// status needs u.mu.
func (l *Lane) status() LaneStatus {
	return LaneStatus{l.name, l.priority, l.sent, l.received, l.held}
}

// Status is the link now.
func (u *Uplink) Status() Status {
	now := time.Now()
	s := Status{Day: u.c.Day, Month: u.c.Month}
	s.Down, s.Since = u.link.state()
	if u.budget != nil {
		used := u.budget.status(now)
		s.DayUsed, s.MonthUsed = used.DayUsed, used.MonthUsed
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(u.lanes)) {
		s.Lanes = append(s.Lanes, u.lanes[name].status())
	}
	return s
}
