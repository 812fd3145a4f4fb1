package syslog

import (
	"container/heap"
	"time"
)

// Bounds of one Put.
const (
	putEntries = 8192
	putBytes   = 960 << 10 // by message.size; fits into one command
	putQuantum = 1024      // messages of one key
)

// lane is the messages of one partition key, in order. One Put at a time
// carries messages of a lane; that keeps their order.
type lane struct {
	key   string
	queue []*message
	lined bool      // among the ready or the held
	busy  bool      // a Put carries some of it
	until time.Time // held until then

	// Owned by the Put that carries it.
	stop  bool       // nothing more of it now
	retry []*message // to put back in front
}

// queue is all lanes. Ready ones take turns, so that a device that floods does
// not starve one that sends a message now and then. It is not safe for
// concurrent use.
type queue struct {
	byKey map[string]*lane
	ready []*lane
	held  heldLanes
	count int // messages, those in a Put left out
}

// add queues a message.
func (q *queue) add(m *message) {
	l := q.byKey[m.entry.Key]
	if l == nil {
		l = &lane{key: m.entry.Key}
		q.byKey[l.key] = l
	}
	m.lane = l
	l.queue = append(l.queue, m)
	q.count++
	if !l.lined && !l.busy {
		q.line(l)
	}
}

// line puts a lane at the end of those that are ready.
func (q *queue) line(l *lane) {
	l.lined = true
	q.ready = append(q.ready, l)
}

// due makes held lanes ready whose time has come, and says when the next is;
// zero: none is held.
func (q *queue) due(now time.Time) time.Time {
	for len(q.held) > 0 {
		l := q.held[0]
		if l.until.After(now) {
			return l.until
		}
		heap.Pop(&q.held)
		q.line(l)
	}
	return time.Time{}
}

// take moves the messages of one Put to batch.
func (q *queue) take(batch []*message) []*message {
	bytes, n := putBytes, 0
	for n < len(q.ready) && len(batch) < putEntries {
		l := q.ready[n]
		count := 0
		for _, m := range l.queue[:min(len(l.queue), putQuantum, putEntries-len(batch))] {
			if m.size() > bytes && len(batch) > 0 {
				break
			}
			batch = append(batch, m)
			bytes -= m.size()
			count++
		}
		if count == 0 {
			break // no room for its next message
		}
		q.count -= count
		clear(l.queue[:count])
		l.queue = l.queue[count:]
		l.lined, l.busy = false, true
		n++
	}
	clear(q.ready[:n])
	if q.ready = q.ready[n:]; len(q.ready) == 0 {
		q.ready = nil
	}
	return batch
}

// back ends a Put: messages to try again go to the front of their lanes, in
// order, and lanes that are not held become ready.
func (q *queue) back(batch []*message, now time.Time) {
	for _, m := range batch {
		if m.again {
			m.lane.retry = append(m.lane.retry, m)
			q.count++
		}
	}
	for _, m := range batch {
		if m.lane.busy {
			q.rejoin(m.lane, now)
		}
	}
}

// rejoin puts one lane back after a Put.
func (q *queue) rejoin(l *lane, now time.Time) {
	if len(l.retry) > 0 {
		l.queue = append(l.retry, l.queue...)
	}
	l.busy, l.stop, l.retry = false, false, nil
	switch {
	case len(l.queue) == 0:
		delete(q.byKey, l.key)
	case l.until.After(now):
		l.lined = true
		heap.Push(&q.held, l)
	default:
		q.line(l)
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
