package syslog

import (
	"context"
	"time"

	"headgate/shardlog"
)

// Waits between tries, and how many tries a fault of ours is worth.
const (
	leastHold  = 20 * time.Millisecond // about one commit
	mostHold   = 2 * time.Second
	firstRetry = 50 * time.Millisecond // when the log does not answer
	mostTries  = 8
)

// put is the worker's Put in work, owned by it.
type put struct {
	*committer
	batch   []*message
	entries []shardlog.Entry
	backoff time.Duration // grows while the log does not answer
}

// take fills the batch, and says when a held lane is due.
func (p *put) take() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.queue.due(time.Now())
	p.batch = p.queue.take(p.batch[:0])
	return next
}

// end gives the lanes back, and the room of what is settled.
func (p *put) end() {
	settled, bytes := [2]int{}, [2]int{} // datagrams, streams
	for _, m := range p.batch {
		if m.again {
			continue
		}
		size, i := m.size(), 0
		if m.room != nil {
			m.room.leave(1, size)
			i = 1
		}
		settled[i]++
		bytes[i] += size
	}
	p.server.datagrams.leave(settled[0], bytes[0])
	p.server.streams.leave(settled[1], bytes[1])
	p.mu.Lock()
	p.queue.back(p.batch, time.Now())
	p.mu.Unlock()
	clear(p.batch)
	clear(p.entries)
}

// try stores messages and marks those to be tried again.
func (p *put) try(ctx context.Context, batch []*message) {
	kept := make([]*message, 0, len(batch))
	p.entries = p.entries[:0]
	for _, m := range batch {
		if m.again = m.lane.stop; !m.again { // its key stopped earlier in this Put
			kept = append(kept, m)
			p.entries = append(p.entries, m.entry)
		}
	}
	if len(kept) == 0 {
		return
	}
	cfg := &p.server.cfg
	results, err := cfg.Writer.Put(ctx, cfg.Stream, p.entries)
	if err == nil && len(results) != len(kept) {
		err = shardlog.Errorf(shardlog.Internal, "put", "%d results for %d entries", len(results), len(kept))
	}
	if err != nil {
		p.failed(ctx, kept, err)
		return
	}
	p.backoff = 0
	for i, m := range kept {
		if err := results[i].Err; err != nil {
			p.decide(m, err)
			continue
		}
		p.server.stats.taken.Add(1)
	}
}

// failed deals with a Put of which nothing was stored, as far as is known.
func (p *put) failed(ctx context.Context, batch []*message, err error) {
	kind := shardlog.KindOf(err)
	log := p.server.cfg.Log
	if len(batch) > 1 && kind == shardlog.Invalid {
		middle := len(batch) / 2 // one message spoils the rest
		p.try(ctx, batch[:middle])
		p.try(ctx, batch[middle:])
		return
	}
	wait := shardlog.RetryAfter(err)
	switch {
	case kind == shardlog.NotFound:
		if err := p.make(ctx); err != nil {
			log.Warn("make stream", "stream", p.server.cfg.Stream, "error", err)
			wait = p.grow()
		}
	case kind != shardlog.Throttled:
		wait = max(wait, p.grow())
	}
	if kind != shardlog.Throttled && kind != shardlog.NotFound && ctx.Err() == nil {
		log.Warn("put", "stream", p.server.cfg.Stream, "messages", len(batch), "error", err, "wait", wait)
	}
	for _, m := range batch {
		p.settle(m, kind, wait)
	}
}

// decide deals with one message that a Put refused.
func (p *put) decide(m *message, err error) {
	kind, wait := shardlog.KindOf(err), shardlog.RetryAfter(err)
	if kind != shardlog.Throttled {
		wait = max(wait, firstRetry)
	}
	if kind == shardlog.Invalid || kind == shardlog.Denied || kind == shardlog.Internal {
		p.server.cfg.Log.Warn("put message", "stream", p.server.cfg.Stream, "key", m.entry.Key, "error", err)
	}
	p.settle(m, kind, wait)
}

// settle drops a message, or keeps it and so its key for a while. Who sent it
// is told neither, so it is kept wherever that can help: with a connection
// that means not to read on.
func (p *put) settle(m *message, kind shardlog.Kind, wait time.Duration) {
	switch kind {
	case shardlog.Invalid:
		p.server.stats.drop("invalid", 1)
		return
	case shardlog.Denied:
		p.server.stats.drop("refused", 1)
		return
	case shardlog.Full, shardlog.LimitExceeded:
		if m.room == nil {
			p.server.stats.drop("full", 1)
			return
		}
		p.server.stats.retries.Add(1)
	case shardlog.Internal:
		if m.tries++; m.tries >= mostTries {
			p.server.stats.drop("internal", 1)
			return
		}
		p.server.stats.retries.Add(1)
	case shardlog.Throttled:
		p.server.stats.throttled.Add(1)
	default:
		p.server.stats.retries.Add(1)
	}
	m.again, m.lane.stop = true, true
	if until := time.Now().Add(min(max(wait, leastHold), mostHold)); until.After(m.lane.until) {
		m.lane.until = until
	}
}

// grow is the next wait while the log does not answer.
func (p *put) grow() time.Duration {
	p.backoff = min(max(2*p.backoff, firstRetry), mostHold)
	return p.backoff
}
