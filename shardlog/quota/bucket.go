package quota

import (
	"math"
	"time"
)

// bucket holds what may be spent.
type bucket struct {
	rate    float64 // a second
	most    float64 // that it holds
	balance float64 // negative while in debt
}

// full is a bucket that holds what one second brings.
func full(rate float64) bucket { return bucket{rate: rate, most: rate, balance: rate} }

// grain hides the rounding of float64: a wait that a bucket asked for is
// always enough.
const grain = 1e-6

func (b *bucket) refill(elapsed time.Duration) {
	b.balance = min(b.most, b.balance+b.rate*elapsed.Seconds())
}

// wait is how long until the balance is up to the amount, which is at most
// what it holds; zero when it is.
func (b *bucket) wait(amount float64) time.Duration {
	short := amount - b.balance
	if short <= grain {
		return 0
	}
	return time.Duration(math.Ceil(short / b.rate * float64(time.Second)))
}

// stopwatch says how much time went by between two calls.
type stopwatch struct{ at time.Time }

// started is false before the first lap.
func (w *stopwatch) started() bool { return !w.at.IsZero() }

// lap is the time since the last lap. A clock that went back lets no time go
// by, and counts on from where it is now.
func (w *stopwatch) lap(now time.Time) time.Duration {
	elapsed := now.Sub(w.at)
	w.at = now
	return max(elapsed, 0)
}
