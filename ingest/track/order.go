package track

import "time"

// order puts packets into the order of their sequence numbers, drops those
// that come twice, and gives up on one that does not come in time.
type order struct {
	patience time.Duration
	renumber bool              // the sender may count anew
	held     map[int64]arrived // behind a hole
	next     int64             // the number that is due, unwrapped
	newest   int64
	begun    bool
	behind   int // packets in a row that came late, or twice
	lost     uint64
}

type arrived struct {
	Packet
	at time.Time
}

// maxHeld bounds the packets behind a hole.
const maxHeld = 2048

// A sender has begun to count anew when its numbers jump by restart, or, if it
// sends nothing twice, when maxBehind packets in a row seem to be late.
const (
	restart   = 3000
	maxBehind = 64
)

func (o *order) push(p Packet, now time.Time) {
	if !o.begun {
		o.begun, o.held = true, map[int64]arrived{}
		o.next, o.newest = int64(p.Sequence), int64(p.Sequence)
	}
	seq := o.newest + int64(int16(p.Sequence-uint16(o.newest)))
	if seq < o.next {
		if o.behind++; o.next-seq < restart && !(o.renumber && o.behind > maxBehind) {
			return // late, or the second time
		}
		seq += 1 << 16
	}
	o.behind = 0
	o.newest = max(o.newest, seq)
	if _, twice := o.held[seq]; twice {
		return
	}
	o.held[seq] = arrived{p, now}
}

// pop answers the packet that is due. hole says that packets before it were
// given up.
func (o *order) pop(now time.Time) (p Packet, hole, ok bool) {
	if len(o.held) == 0 {
		return p, false, false
	}
	if a, here := o.held[o.next]; here {
		delete(o.held, o.next)
		o.next++
		return a.Packet, false, true
	}
	first, oldest := o.first()
	if now.Sub(oldest) < o.patience && len(o.held) < maxHeld {
		return p, false, false
	}
	if first-o.next < restart {
		o.lost += uint64(first - o.next)
	}
	a := o.held[first]
	delete(o.held, first)
	o.next = first + 1
	return a.Packet, true, true
}

// first is the lowest number that is held, and when the oldest of all came.
func (o *order) first() (first int64, oldest time.Time) {
	first = o.newest
	for seq, a := range o.held {
		first = min(first, seq)
		if oldest.IsZero() || a.at.Before(oldest) {
			oldest = a.at
		}
	}
	return first, oldest
}

// missing are the numbers between those that came.
func (o *order) missing(n int) []uint16 {
	var all []uint16
	for seq := o.next; seq < o.newest && len(all) < n && len(o.held) > 0; seq++ {
		if _, here := o.held[seq]; !here {
			all = append(all, uint16(seq))
		}
	}
	return all
}
