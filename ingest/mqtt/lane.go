package mqtt

import (
	"container/heap"
	"time"
)

// Bounds of one Put.
const (
	putEntries  = 8192
	putBytes    = 960 << 10 // by message.size; fits into one command
	putQuantum  = 1024      // messages of one key
	putExact    = 1024      // messages of a Put with mutations
	modePlain   = 0         // QoS 0 and 1
	modeExact   = 1         // QoS 2 and retained messages, and what stands behind it in its lanes
	laneWaiting = 0         // empty, or in a Put
	laneReady   = 1
	laneHeld    = 2
)

// lane is the messages of one partition key, in order. At most one Put at a
// time carries messages of a lane; that keeps their order.
type lane struct {
	key   string
	queue []*message
	busy  bool
	place int
	until time.Time // held until then

	// Owned by the Put that carries it.
	stop  bool       // nothing more of it now
	retry []*message // to put back in front
}

// mode says which kind of Put takes the lane's next message.
func (l *lane) mode() int {
	if l.queue[0].exact() {
		return modeExact
	}
	return modePlain
}

// lanes are all lanes of one stream. Ready ones take turns, so that a device
// that floods does not starve one that sends a message now and then. It is not
// safe for concurrent use.
type lanes struct {
	byKey map[string]*lane
	ready [2][]*lane // by mode
	held  heldLanes
}

// add queues a message.
func (ls *lanes) add(m *message) (mode int) {
	l := ls.byKey[m.entry.Key]
	if l == nil {
		l = &lane{key: m.entry.Key}
		ls.byKey[l.key] = l
	}
	m.lane = l
	l.queue = append(l.queue, m)
	if l.place == laneWaiting && !l.busy {
		ls.line(l)
	}
	return l.mode()
}

// waiting is how many messages are ready for a Put of the mode, or follow one
// that is.
func (ls *lanes) waiting(mode int) int {
	n := 0
	for _, l := range ls.ready[mode] {
		n += len(l.queue)
	}
	return n
}

// line puts a lane at the end of those that are ready.
func (ls *lanes) line(l *lane) {
	l.place = laneReady
	mode := l.mode()
	ls.ready[mode] = append(ls.ready[mode], l)
}

// due makes held lanes ready whose time has come, and says when the next is;
// zero: none is held.
func (ls *lanes) due(now time.Time) time.Time {
	for len(ls.held) > 0 {
		l := ls.held[0]
		if l.until.After(now) {
			return l.until
		}
		heap.Pop(&ls.held)
		ls.line(l)
	}
	return time.Time{}
}

// take moves the messages of one Put to batch.
func (ls *lanes) take(mode int, batch []*message) []*message {
	entries, bytes := putEntries, putBytes
	if mode == modeExact {
		entries = putExact
	}
	ready := ls.ready[mode]
	n := 0
	for n < len(ready) && entries > 0 {
		l := ready[n]
		count := 0
		for _, m := range l.queue[:min(len(l.queue), putQuantum, entries)] {
			if m.exact() && mode == modePlain || m.size() > bytes && len(batch) > 0 {
				break
			}
			batch = append(batch, m)
			bytes -= m.size()
			count++
		}
		if count == 0 {
			break // no room for its next message
		}
		entries -= count
		clear(l.queue[:count])
		l.queue = l.queue[count:]
		l.place, l.busy = laneWaiting, true
		n++
	}
	clear(ready[:n])
	if ls.ready[mode] = ready[n:]; len(ls.ready[mode]) == 0 {
		ls.ready[mode] = nil
	}
	return batch
}

// back ends a Put: messages to try again go to the front of their lanes, in
// order, and lanes that are not held become ready.
func (ls *lanes) back(batch []*message, now time.Time) {
	for _, m := range batch {
		if m.again {
			m.again = false
			m.lane.retry = append(m.lane.retry, m)
		}
	}
	for _, m := range batch {
		if m.lane.busy {
			ls.rejoin(m.lane, now)
		}
	}
}

// rejoin puts one lane back after a Put.
func (ls *lanes) rejoin(l *lane, now time.Time) {
	if len(l.retry) > 0 {
		l.queue = append(l.retry, l.queue...)
	}
	l.busy, l.stop, l.retry = false, false, nil
	switch {
	case len(l.queue) == 0:
		delete(ls.byKey, l.key)
	case l.until.After(now):
		l.place = laneHeld
		heap.Push(&ls.held, l)
	default:
		ls.line(l)
	}
}

// heldLanes is a heap by the time until which they are held.
type heldLanes []*lane

func (h heldLanes) Len() int           { return len(h) }
func (h heldLanes) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h heldLanes) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heldLanes) Push(x any)        { *h = append(*h, x.(*lane)) }
func (h *heldLanes) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return l
}
