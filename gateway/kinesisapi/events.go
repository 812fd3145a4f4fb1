package kinesisapi

import (
	"container/list"
	"context"
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

// events are the latest ones of all shards, and those that are being made, so
// that each is read and encoded once for all consumers, and not once for each.
// It is safe for concurrent use.
type events struct {
	mu    sync.Mutex
	by    map[place]*making // guarded by mu
	order list.List         // guarded by mu; of *making that are kept, the oldest first
	bytes int               // guarded by mu; of frames in order
}

// making is an event that one makes and others wait for. Its event is set
// before done is closed, and stays nil when that failed.
type making struct {
	from  place
	done  chan struct{}
	event *event
	kept  *list.Element // guarded by the events' mu; nil: not kept
	at    time.Time     // when it was done
}

// at is the event that begins at a place: the one that is there, or what make
// makes of it.
func (e *events) at(ctx context.Context, from place, make func() (*event, error)) (*event, error) {
	one, mine := e.claim(from, time.Now())
	if mine {
		defer e.settle(one)
		var err error
		one.event, err = make()
		return one.event, err
	}
	select {
	case <-one.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if one.event == nil { // whoever made it may have lost its client
		return make()
	}
	return one.event, nil
}

// claim is the event at a place, and whether the caller is to make it.
func (e *events) claim(from place, now time.Time) (one *making, mine bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if one = e.by[from]; one != nil {
		if one.kept == nil || now.Sub(one.at) < keptFor {
			return one, false
		}
		e.drop(one)
	}
	one = &making{from: from, done: make(chan struct{})}
	if e.by == nil {
		e.by = map[place]*making{}
	}
	e.by[from] = one
	return one, true
}

// settle ends a making. The event is kept if it brings records and ends where
// its shard does: others come there, and elsewhere hardly ever.
func (e *events) settle(one *making) {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(one.done)
	if one.event == nil || one.event.records == 0 || !one.event.tip || one.event.end {
		delete(e.by, one.from)
		return
	}
	one.at = time.Now()
	one.kept = e.order.PushBack(one)
	e.bytes += len(one.event.frame)
	for e.order.Len() > 0 {
		oldest := e.order.Front().Value.(*making)
		if e.bytes <= keptEvents && one.at.Sub(oldest.at) < keptFor {
			return
		}
		e.drop(oldest)
	}
}

// drop is called with mu held.
func (e *events) drop(one *making) {
	e.order.Remove(one.kept)
	e.bytes -= len(one.event.frame)
	delete(e.by, one.from)
}
