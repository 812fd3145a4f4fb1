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

// committers are those of the streams that the table of routes leads to. Those
// that it leads to by templates begin with their first message.
type committers struct {
	server *Server
	fixed  map[shardlog.StreamName]*committer // does not change

	mu     sync.Mutex
	made   map[shardlog.StreamName]*committer // guarded by mu; as many as the table bounds
	launch func(*committer)                   // guarded by mu; nil while the server does not run
}

func newCommitters(s *Server) *committers {
	cs := &committers{server: s, fixed: map[shardlog.StreamName]*committer{}, made: map[shardlog.StreamName]*committer{}}
	for _, spec := range s.cfg.Routes.Streams() {
		cs.fixed[spec.Name] = newCommitter(s, spec)
	}
	return cs
}

// of is the committer of a stream that the table has named.
func (cs *committers) of(name shardlog.StreamName) *committer {
	if co := cs.fixed[name]; co != nil {
		return co
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	co := cs.made[name]
	if co == nil {
		spec, _ := cs.server.cfg.Routes.Spec(name)
		co = newCommitter(cs.server, spec)
		cs.made[name] = co
		if cs.launch != nil {
			cs.launch(co)
		}
	}
	return co
}

// start runs all committers, those made later too, until ctx ends.
func (cs *committers) start(ctx context.Context, workers *sync.WaitGroup) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.launch = func(co *committer) {
		workers.Go(func() { cs.server.ready(ctx, co) })
		workers.Go(func() { co.run(ctx, modePlain) })
		workers.Go(func() { co.run(ctx, modeExact) })
	}
	for _, all := range []map[shardlog.StreamName]*committer{cs.fixed, cs.made} {
		for _, co := range all {
			cs.launch(co)
		}
	}
}

// stop runs none that are made later. The workers may then be waited for.
func (cs *committers) stop() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.launch = nil
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
