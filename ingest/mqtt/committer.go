package mqtt

import (
	"context"
	"sync"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// committer brings the messages of one stream into the log: all that waits in
// one Put, and the next Put forms meanwhile. QoS 2 has Puts of its own, since
// a Put with mutations is all or nothing.
type committer struct {
	server *Server
	spec   shardlog.StreamSpec
	signal [2]chan struct{} // by mode: something may be ready

	mu    sync.Mutex
	lanes lanes
}

func newCommitter(s *Server, spec shardlog.StreamSpec) *committer {
	return &committer{
		server: s, spec: spec,
		signal: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
		lanes:  lanes{byKey: map[string]*lane{}},
	}
}

// add queues a message.
func (co *committer) add(m *message) {
	co.mu.Lock()
	mode := co.lanes.add(m)
	co.mu.Unlock()
	co.notify(mode)
}

func (co *committer) notify(mode int) {
	select {
	case co.signal[mode] <- struct{}{}:
	default:
	}
}

// run puts messages of one mode until ctx ends.
func (co *committer) run(ctx context.Context, mode int) {
	p := &put{committer: co, mode: mode, seen: map[place]bool{}}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if mode == modePlain {
			co.gather(ctx, timer)
		}
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
		case <-co.signal[mode]:
		case <-due:
		case <-ctx.Done():
		}
	}
}

// A Put of few messages waits for a commit like one of many, and the messages
// behind it wait for the Put. So a Put is held back while messages keep
// coming, until there are enough for the log to commit them at once.
const (
	gatherEnough = 500 // messages
	gatherPause  = time.Millisecond
	gatherMost   = 5 // pauses
)

// gather returns when enough is ready for a Put, or the arrivals pause.
func (co *committer) gather(ctx context.Context, timer *time.Timer) {
	before := -1
	for range gatherMost {
		co.mu.Lock()
		now := co.lanes.waiting(modePlain)
		co.mu.Unlock()
		if now == 0 || now == before || now >= gatherEnough {
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
	return ingest.Make(ctx, co.server.cfg.Control, co.spec)
}
