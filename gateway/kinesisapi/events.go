package kinesisapi

import (
	"container/list"
	"sync"
	"time"

	"headgate/shardlog"
)

// event is what a consumer is sent of a shard: the records from a place on.
// Its bytes are never changed: all who stand at that place are sent the same.
type event struct {
	next    shardlog.Seq // where it ends
	tip     bool         // nothing lay behind it
	end     bool         // nothing ever will
	records int
	bytes   int           // of data and keys
	behind  time.Duration // as it says
	frame   []byte        // nil: there is nothing to say

	from place
	made time.Time
}

// place is where in the log an event begins.
type place struct {
	shard shardlog.ShardID
	next  shardlog.Seq
}

// Bounds of the events that are kept for others.
const (
	keptEvents = 4 << 20 // bytes of frames
	// keptFor is for how long an event that reached its shard's end still says
	// the truth about how far behind that is.
	keptFor = time.Second
)

// events are the latest ones of all shards, so that each is read and encoded
// once for all consumers, and not once for each. Two who come at the same
// moment may both make one. It is safe for concurrent use.
type events struct {
	mu    sync.Mutex
	by    map[place]*list.Element // guarded by mu
	order list.List               // guarded by mu; of *event, the oldest first
	bytes int                     // guarded by mu
}

// find is the event that begins at a place, nil when there is none.
func (e *events) find(from place, now time.Time) *event {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.by[from]
	if at == nil || now.Sub(at.Value.(*event).made) >= keptFor {
		return nil
	}
	return at.Value.(*event)
}

// keep keeps an event for others, if it brings records and ends where its
// shard does: others come there, and elsewhere hardly ever.
func (e *events) keep(one *event) {
	if !one.tip || one.end || one.records == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for at := e.order.Front(); at != nil; at = e.order.Front() {
		if e.bytes+len(one.frame) <= keptEvents && one.made.Sub(at.Value.(*event).made) < keptFor {
			break
		}
		e.drop(at)
	}
	if before := e.by[one.from]; before != nil {
		e.drop(before)
	}
	if e.by == nil {
		e.by = map[place]*list.Element{}
	}
	e.by[one.from] = e.order.PushBack(one)
	e.bytes += len(one.frame)
}

// drop is called with mu held.
func (e *events) drop(at *list.Element) {
	one := e.order.Remove(at).(*event)
	e.bytes -= len(one.frame)
	delete(e.by, one.from)
}
