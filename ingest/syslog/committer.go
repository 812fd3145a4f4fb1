package syslog

import (
	"context"
	"sync"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// A Put of few messages waits for a commit like one of many, and the messages
// behind it wait for the Put. So a Put is held back while messages keep
// coming, until there are enough for the log to commit them at once.
const (
	gatherEnough = 500 // messages
	gatherPause  = time.Millisecond
	gatherMost   = 5 // pauses
)

// makeTimeout bounds one attempt to make the stream.
const makeTimeout = 10 * time.Second

// committer brings messages into the log: all that waits in one Put, and the
// next Put forms meanwhile.
type committer struct {
	server *Server
	signal chan struct{} // something may be ready

	mu    sync.Mutex
	queue queue // guarded by mu
}

func newCommitter(s *Server) *committer {
	return &committer{server: s, signal: make(chan struct{}, 1), queue: queue{byKey: map[string]*lane{}}}
}

// add queues a message that has its room.
func (co *committer) add(m *message) {
	co.mu.Lock()
	co.queue.add(m)
	co.mu.Unlock()
	select {
	case co.signal <- struct{}{}:
	default:
	}
}

// run puts messages until ctx ends. What is not stored then stays.
func (co *committer) run(ctx context.Context) {
	p := &put{committer: co}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		co.gather(ctx, timer)
		next := p.take()
		if len(p.batch) > 0 {
			p.try(ctx, p.batch)
			p.end()
			continue
		}
		var due <-chan time.Time
		if !next.IsZero() {
			timer.Reset(time.Until(next))
			due = timer.C
		}
		select {
		case <-co.signal:
		case <-due:
		case <-ctx.Done():
		}
	}
}

// gather returns when enough is ready for a Put, or the arrivals pause.
func (co *committer) gather(ctx context.Context, timer *time.Timer) {
	before := -1
	for range gatherMost {
		co.mu.Lock()
		now := co.queue.count
		idle := len(co.queue.ready) == 0
		co.mu.Unlock()
		if idle || now == before || now >= gatherEnough {
			return
		}
		before = now
		timer.Reset(gatherPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// make makes the stream unless it exists.
func (co *committer) make(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	c := &co.server.cfg
	return ingest.Make(ctx, c.Control, shardlog.StreamSpec{Name: c.Stream, Shards: c.Shards})
}
