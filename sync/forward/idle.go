package forward

import (
	"context"
	"time"
)

const (
	idleAfter   = 30 * time.Second
	idleNumbers = 16 // fewer are not worth a command
)

// idle is when Puts were last numbered. It is guarded by Carrier.mu.
type idle struct {
	at   time.Time
	told uint64 // the log knows that numbers below it are settled
}

// settleIdle lets the log forget the last numbers of a burst some time after
// it, until ctx ends.
func (f *Carrier) settleIdle(ctx context.Context) error {
	timer := time.NewTicker(idleAfter)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		f.mu.Lock()
		o := f.direct
		due := !f.iso.isolated && time.Since(f.idle.at) >= idleAfter && o.settled() >= f.idle.told+idleNumbers
		var number, settled uint64
		if due {
			number = o.take()
			settled = o.settled() // some may take long, and have no answer yet
			o.settle(number)
			f.idle.told = settled
		}
		f.mu.Unlock()
		if due {
			ctx, stop := context.WithTimeout(ctx, patience)
			f.settleAll(ctx, o.id(f.c.Gateway, number), settled)
			stop()
		}
	}
}
