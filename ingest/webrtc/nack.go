package webrtc

import "time"

// nacks decides when a packet that is missing is asked for. It sees what is
// missing after retransmissions have been merged in, so that a packet that
// came again is not asked for again.
type nacks struct {
	asked map[uint16]ask
}

type ask struct {
	seen  time.Time // missing since
	last  time.Time
	times int
}

// When to ask: not before other packets had time to overtake, again when an
// answer could have come, and not for ever.
const (
	nackAfter = 10 * time.Millisecond
	nackEvery = 60 * time.Millisecond
	nackTimes = 5
	// Patience is how long a packet is waited for.
	nackPatience = 600 * time.Millisecond
)

// due answers which of the missing packets to ask for now.
func (n *nacks) due(missing []uint16, now time.Time) []uint16 {
	next := make(map[uint16]ask, len(missing))
	var due []uint16
	for _, seq := range missing {
		a, known := n.asked[seq]
		if !known {
			a.seen = now
		}
		wait := nackEvery
		since := a.last
		if a.times == 0 {
			wait, since = nackAfter, a.seen
		}
		if a.times < nackTimes && now.Sub(since) >= wait {
			a.times, a.last = a.times+1, now
			due = append(due, seq)
		}
		next[seq] = a
	}
	n.asked = next
	return due
}
