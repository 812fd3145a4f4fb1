package mqtt

import (
	"context"
	"time"

	"headgate/shardlog"
)

// Waits between tries.
const (
	leastHold   = 20 * time.Millisecond // of a throttled key: about one commit
	mostHold    = 2 * time.Second
	firstRetry  = 50 * time.Millisecond // when the log does not answer
	makeTimeout = 10 * time.Second
)

// put is one worker's Put in work. It is owned by that worker.
type put struct {
	*committer
	mode    int
	batch   []*message
	backoff time.Duration // grows while the log does not answer

	entries   []shardlog.Entry
	mutations []shardlog.Mutation
	seen      map[place]bool // QoS 2 ids of the Put
}

// take fills the batch, and says when a held lane is due.
func (p *put) take() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.lanes.due(time.Now())
	if len(p.lanes.ready[1-p.mode]) > 0 {
		p.notify(1 - p.mode)
	}
	p.batch = p.lanes.take(p.mode, p.batch[:0])
	return next
}

// end gives the lanes back and wakes the connections.
func (p *put) end() {
	p.mu.Lock()
	p.lanes.back(p.batch, time.Now())
	other := len(p.lanes.ready[1-p.mode]) > 0
	p.mu.Unlock()
	if other {
		p.notify(1 - p.mode)
	}
	var last *conn
	for _, m := range p.batch {
		if m.conn != last {
			last = m.conn
			last.wake()
		}
	}
	clear(p.batch)
	clear(p.entries)
	clear(p.mutations)
}

// try stores messages, settles those that are decided and marks the others to
// be tried again.
func (p *put) try(ctx context.Context, batch []*message) {
	if batch = p.sift(batch); len(batch) == 0 {
		return
	}
	p.entries, p.mutations = p.entries[:0], p.mutations[:0]
	for _, m := range batch {
		p.entries = append(p.entries, m.entry)
		if m.session != nil {
			p.mutations = append(p.mutations, m.mutation())
		}
		if m.retain != nil {
			p.mutations = append(p.mutations, *m.retain)
		}
	}
	results, err := p.server.cfg.Writer.Put(ctx, p.spec.Name, p.entries, p.mutations...)
	if err == nil && len(results) != len(batch) {
		err = shardlog.Errorf(shardlog.Internal, "put", "%d results for %d entries", len(results), len(batch))
	}
	if err == nil && len(p.mutations) > 0 {
		err = first(results)
	}
	if err != nil {
		p.failed(ctx, batch, err)
		return
	}
	p.backoff = 0
	for i, m := range batch {
		p.decide(m, results[i].Err)
	}
}

// first is the first error among results.
func first(results []shardlog.Result) error {
	for i := range results {
		if err := results[i].Err; err != nil {
			return err
		}
	}
	return nil
}

// sift leaves out what must not be stored. The usual batch comes back as it is.
func (p *put) sift(batch []*message) []*message {
	clear(p.seen)
	for i, m := range batch {
		if p.passes(m) {
			continue
		}
		kept := append([]*message(nil), batch[:i]...)
		for _, m := range batch[i+1:] {
			if p.passes(m) {
				kept = append(kept, m)
			}
		}
		return kept
	}
	return batch
}

// passes reports whether the message is to be stored now. If not, it belongs
// to a key that stopped in this Put, or to a connection that refuses
// everything by now, or it is a QoS 2 message that came twice; and it is dealt
// with.
func (p *put) passes(m *message) bool {
	switch {
	case m.lane.stop:
		m.again = true
	case m.conn.refusing.Load() && m.qos > 0:
		m.settle(unspecified) // its device sends it again
	case m.session == nil:
		return true
	case m.known():
		p.server.stats.duplicates.Add(1)
		m.settle(stored)
	case p.seen[place{m.session, m.id}]:
		m.again, m.lane.stop = true, true // the first copy is in this Put
	default:
		p.seen[place{m.session, m.id}] = true
		return true
	}
	return false
}

// place is where a QoS 2 message leaves its packet id.
type place struct {
	session *session
	id      uint16
}

// failed deals with a Put of which nothing was stored, as far as is known.
func (p *put) failed(ctx context.Context, batch []*message, err error) {
	switch kind := shardlog.KindOf(err); {
	case kind == shardlog.NotFound:
		if err := p.make(ctx); err != nil {
			p.server.cfg.Log.Warn("make stream", "stream", p.spec.Name, "error", err)
			p.hold(batch, p.grow())
			return
		}
		p.hold(batch, leastHold)
	case kind == shardlog.Conflict:
		p.recognise(ctx, batch)
	case len(batch) > 1 && (kind == shardlog.Invalid || kind == shardlog.Throttled):
		p.halve(ctx, batch)
	case kind == shardlog.Throttled:
		p.server.stats.throttled.Add(1)
		p.hold(batch, shardlog.RetryAfter(err))
	default:
		v, again := judge(err)
		if again {
			p.server.stats.retries.Add(1)
			p.hold(batch, max(p.grow(), shardlog.RetryAfter(err)))
			return
		}
		if kind == shardlog.Internal {
			p.server.cfg.Log.Error("put", "stream", p.spec.Name, "error", err)
		}
		for _, m := range batch {
			p.server.refuse(m, v)
		}
	}
}

// halve tries the two halves of a batch alone, because one message of it
// spoils the rest.
func (p *put) halve(ctx context.Context, batch []*message) {
	middle := len(batch) / 2
	p.try(ctx, batch[:middle])
	p.try(ctx, batch[middle:])
}

// decide deals with the result of one plain message.
func (p *put) decide(m *message, err error) {
	if err == nil {
		m.keep()
		m.settle(stored)
		return
	}
	v, again := judge(err)
	if !again {
		if shardlog.KindOf(err) == shardlog.Internal {
			p.server.cfg.Log.Error("put", "stream", p.spec.Name, "error", err)
		}
		p.server.refuse(m, v)
		return
	}
	wait := shardlog.RetryAfter(err)
	if shardlog.KindOf(err) == shardlog.Throttled {
		p.server.stats.throttled.Add(1)
	} else {
		p.server.stats.retries.Add(1)
		wait = max(wait, firstRetry)
	}
	p.hold([]*message{m}, wait)
}

// hold keeps messages, and so their keys, for a while.
func (p *put) hold(batch []*message, wait time.Duration) {
	until := time.Now().Add(min(max(wait, leastHold), mostHold))
	for _, m := range batch {
		m.again = true
		m.lane.stop = true
		if until.After(m.lane.until) {
			m.lane.until = until
		}
	}
}

// grow is the next wait while the log does not answer.
func (p *put) grow() time.Duration {
	p.backoff = min(max(2*p.backoff, firstRetry), mostHold)
	return p.backoff
}
