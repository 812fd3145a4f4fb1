package forward

import (
	"context"
	"time"
)

// begin takes the first look.
func (f *Carrier) begin(now time.Time) {
	s := f.look()
	f.observe(func(time.Time) { f.iso.begin(now, s, f.queue.some()) })
}

// observe changes what is known of the leader, and does what follows from it.
func (f *Carrier) observe(change func(now time.Time)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, isolated, doubted := f.iso.sight, f.iso.isolated, !f.iso.lost.IsZero()
	change(time.Now())
	switch {
	case f.iso.isolated && !isolated:
		f.isolate()
	case !f.iso.isolated && isolated:
		f.aside = nil // what waits for the spool goes to the leader now
		f.c.Log.Info("no longer isolated", "leader", f.iso.sight.leader, "for", time.Since(f.iso.since).Round(time.Millisecond))
	case f.iso.sight == before && doubted == !f.iso.lost.IsZero():
		return
	}
	for c := range f.calls {
		if f.iso.isolated && !c.probe || c.to.leader != f.iso.sight.leader || c.to.term != f.iso.sight.term {
			c.stop()
		}
	}
	f.wake()
}

// isolate begins isolation. What has a number keeps it and goes into the spool
// with it; Puts that go to a leader later begin a new series, so that the log
// can forget the old one when the spool is drained. The caller holds mu.
func (f *Carrier) isolate() {
	f.aside, f.direct = f.direct, newOrigin(f.c.Random())
	f.retired[f.aside.incarnation] = f.aside
	f.idle = idle{}
	if f.endSession != nil {
		f.endSession()
	}
	f.counts.isolations.Add(1)
	f.c.Log.Warn("isolated: no leader can be reached", "known", f.iso.sight.leader, "since", f.iso.lost)
}

// watch follows the leadership and lets time pass until ctx ends.
func (f *Carrier) watch(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changed := f.c.Leadership.Changed()
		s := f.look()
		f.observe(func(now time.Time) { f.iso.see(now, s) })
		f.mu.Lock()
		due, any := f.iso.due()
		again := f.changed
		f.mu.Unlock()
		wait := time.Hour
		if any {
			wait = max(time.Until(due), 0)
		}
		timer.Reset(wait)
		select {
		case <-changed:
		case <-again:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

const (
	probeEvery = 500 * time.Millisecond
	slowCall   = time.Second // a call that has taken longer puts the leader in doubt
)

// probe asks a leader that is in doubt whether it is there, until ctx ends.
func (f *Carrier) probe(ctx context.Context) error {
	if f.c.Call == nil {
		return nil
	}
	timer := time.NewTicker(probeEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if to := f.look(); f.doubts() && to.leader != "" && !to.leading {
			f.knock(ctx, to)
		}
	}
}

// knock sends an empty message; what becomes of it is noted by the call.
func (f *Carrier) knock(ctx context.Context, to sight) {
	ctx, stop := context.WithTimeout(ctx, f.c.Grace/2)
	defer stop()
	_, _ = f.run(ctx, &call{to: to, stop: stop, probe: true}, PutsPath, encodePuts(to.term, nil))
}

// doubts reports whether it is not known that the leader answers.
func (f *Carrier) doubts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.iso.doubtful() {
		return true
	}
	for c := range f.calls {
		if time.Since(c.begun) > slowCall {
			return true
		}
	}
	return false
}
