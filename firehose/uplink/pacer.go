package uplink

import (
	"math"
	"time"
)

// slice is how much is granted at a time: an alarm waits for no more.
const slice = 16 << 10

// pacer grants slices at a rate. It is told the time and is not safe for
// concurrent use.
type pacer struct {
	rate    float64 // bytes a second; zero: any
	balance float64 // negative while in debt
	at      time.Time
	waiting []*waiter // in the order of their coming
}

// waiter waits for a slice.
type waiter struct {
	lane    *Lane
	n       int
	granted chan struct{} // closed when it is
}

// burst is what may go out at once after a pause.
func (p *pacer) burst() float64 { return max(slice, p.rate/4) }

func (p *pacer) refill(now time.Time) {
	if !p.at.IsZero() {
		p.balance = min(p.burst(), p.balance+p.rate*max(now.Sub(p.at), 0).Seconds())
	} else {
		p.balance = p.burst()
	}
	p.at = now
}

// piece is how much of n is asked for at a time: a tenth of a second's worth
// where the link is so slow that a slice would hold up an alarm.
func (p *pacer) piece(n int) int {
	most := slice
	if p.rate > 0 {
		most = min(most, max(int(p.rate/10), 64))
	}
	return min(n, most)
}

// dispatch grants what there is, and answers how long until there is more for
// those who still wait.
func (p *pacer) dispatch(now time.Time) time.Duration {
	p.refill(now)
	for len(p.waiting) > 0 {
		i := p.first()
		w := p.waiting[i]
		if short := float64(w.n) - p.balance; p.rate > 0 && short > 1e-6 {
			return time.Duration(math.Ceil(short / p.rate * float64(time.Second)))
		}
		p.balance -= float64(w.n)
		w.lane.served += float64(w.n)
		p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
		close(w.granted)
	}
	return 0
}

// first is the waiter whose turn it is.
func (p *pacer) first() int {
	best := 0
	for i, w := range p.waiting {
		b := p.waiting[best]
		switch alarm := w.lane.priority == Alarm; {
		case alarm != (b.lane.priority == Alarm):
			if alarm {
				best = i
			}
		case w.lane.served < b.lane.served:
			best = i
		}
	}
	return best
}

// enter begins to wait for a piece. A lane that was idle has saved up no more
// than a burst.
func (p *pacer) enter(w *waiter) {
	least := math.Inf(1)
	for _, other := range p.waiting {
		least = min(least, other.lane.served)
	}
	if !math.IsInf(least, 1) {
		w.lane.served = max(w.lane.served, least-p.burst())
	}
	p.waiting = append(p.waiting, w)
}

// leave gives up waiting. It reports whether the piece was granted meanwhile.
func (p *pacer) leave(w *waiter) (granted bool) {
	for i, other := range p.waiting {
		if other == w {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return false
		}
	}
	return true
}
