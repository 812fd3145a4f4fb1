package capacity

import "time"

// history is what one shard took lately.
type history struct {
	seen  time.Time // first
	born  time.Time // when its peak began to be noted: of its parents, if it was merged
	looks []look    // of the last window, oldest first
	peak  peak      // of its average over a window
}

// look is what one look found.
type look struct {
	at     time.Time
	since  time.Duration // the look before
	units  float64       // seconds' worth of a shard
	places []weight
}

// note adds a look and forgets those that have left the window. It answers the
// average since then, as a share of what the shard takes.
func (h *history) note(l look, r Rules) float64 {
	h.looks = append(h.looks, l)
	begin := l.at.Add(-r.Window)
	for len(h.looks) > 0 && !h.looks[0].at.After(begin) {
		h.looks = h.looks[1:]
	}
	sum, took := 0.0, time.Duration(0)
	for _, each := range h.looks {
		sum += each.units
		took += each.since
	}
	share := sum / max(took, r.Window).Seconds() // a look may come late and tell of more than a window
	h.peak.note(l.at, share, r.Memory)
	return share
}

// inherit makes the history of a shard that two were merged into, nil when
// one is not known.
func (h *history) inherit(a, b *history, now time.Time) {
	if a == nil || b == nil {
		return
	}
	h.born = a.born
	if b.born.After(h.born) {
		h.born = b.born
	}
	h.peak = peak{{now, a.peak.highest() + b.peak.highest()}}
}

// peak is the highest value of a while: the values that a later and higher one
// does not outdo, so that the first is the highest.
type peak []sighting

type sighting struct {
	at    time.Time
	value float64
}

func (p *peak) note(at time.Time, value float64, keep time.Duration) {
	all := *p
	for len(all) > 0 && all[len(all)-1].value <= value {
		all = all[:len(all)-1]
	}
	all = append(all, sighting{at, value})
	for all[0].at.Before(at.Add(-keep)) {
		all = all[1:]
	}
	*p = all
}

func (p peak) highest() float64 {
	if len(p) == 0 {
		return 0
	}
	return p[0].value
}
