package streams

import (
	"context"
	"fmt"
	"time"

	"headgate/shardlog"
)

// Run is the pool: it seals what waits and proposes it, one command at a
// time. It runs while this gateway leads and what was agreed on before has
// been applied. When it ends, whoever waits is answered Unavailable or, when
// the outcome is not known, Unknown.
func (l *Log) Run(ctx context.Context) error {
	l.cycle.number = l.c.Ground.LastBundle(l.c.Gateway, l.c.Incarnation)
	l.clock.Floor(l.c.Ground.Tail().Stamp)
	l.lead()
	defer l.resign()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.mu.Lock()
		wait, any := l.pool.wait(time.Now())
		l.mu.Unlock()
		if any && wait == 0 {
			if err := l.commit(ctx); err != nil {
				return err
			}
			continue
		}
		if !any {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-l.kick:
		case <-timer.C:
		}
	}
}

func (l *Log) lead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.led)
	l.counts.Leading = true
}

func (l *Log) resign() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.led = make(chan struct{})
	l.counts.Leading = false
	for _, p := range l.pool.puts {
		p.err = unavailable("put", p.name, errNotLeading)
		if p.next > 0 {
			p.err = &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: errNotLeading}
		}
		close(p.done)
	}
	l.pool.puts = nil
	l.pool.recount()
}

// commit carries one cycle through. Its error ends Run; what becomes of the
// Puts is told to them.
func (l *Log) commit(ctx context.Context) error {
	c := l.cycle
	l.mu.Lock()
	now := time.Now()
	c.takes = c.takes[:0]
	c.collect(&l.pool)
	l.pool.last = now
	l.mu.Unlock()
	c.number++
	for tries := 0; ; tries++ {
		stamp := l.clock.Stamp()
		a, err := c.seal(ctx, stamp.At, stamp.Mark, l.bucket(stamp.At))
		if err != nil {
			c.number--
			c.fail(err)
			break
		}
		if len(a.Bundles) == 0 && len(a.Mutations) == 0 {
			c.number--
			break // every Put has its error
		}
		out, err := l.propose(ctx, a)
		if err == nil {
			err = out.Err
		}
		if err == nil {
			c.settle(out, stamp.At)
			l.committed(c, a, now)
			break
		}
		if again := shardlog.KindOf(err) == shardlog.Moved || shardlog.KindOf(err) == shardlog.Conflict; again && tries < maxTries {
			continue
		}
		c.number = l.c.Ground.LastBundle(l.c.Gateway, l.c.Incarnation)
		c.fail(err)
		break
	}
	l.finish(c)
	return ctx.Err()
}

// maxTries bounds how often a cycle is built anew because the state moved
// under it: with one command in flight that takes a split or a changed leader.
const maxTries = 5

// propose proposes the command until it is known what became of it: the
// number makes a repetition harmless.
func (l *Log) propose(ctx context.Context, a shardlog.Append) (shardlog.Outcome, error) {
	for {
		out, err := l.c.Proposer.Propose(ctx, a)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		if k := shardlog.KindOf(err); k != shardlog.Unknown && k != shardlog.Unavailable || len(a.Bundles) == 0 {
			return out, err
		}
		l.c.Log.Warn("command is proposed again", "error", err)
		select {
		case <-ctx.Done():
			return out, err
		case <-time.After(retryPropose):
		}
	}
}

const retryPropose = 50 * time.Millisecond

// fail tells every Put of the cycle that nothing is known of it but err.
func (c *cycle) fail(err error) {
	kind := shardlog.KindOf(err)
	switch kind {
	case shardlog.Moved, shardlog.Conflict:
		kind = shardlog.Unavailable
	case shardlog.Unavailable, shardlog.Invalid:
	default:
		kind = shardlog.Unknown
	}
	for _, t := range c.takes {
		kind := kind
		if t.from > 0 {
			kind = shardlog.Unknown // what came before in the same Put is stored
		}
		if p := t.put; p.err == nil {
			p.err = &shardlog.Error{Kind: kind, Op: "put", Stream: p.name, Err: fmt.Errorf("commit: %w", err)}
		}
	}
}

// finish answers the Puts that are through.
func (l *Log) finish(c *cycle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range c.takes {
		p := t.put
		if p.err != nil && p.next < len(p.entries) {
			l.pool.remove(p) // the rest of it shall not be stored
			p.next = len(p.entries)
		}
		if p.next == len(p.entries) {
			close(p.done)
		}
	}
	clear(c.takes)
	c.takes = c.takes[:0]
}

// bucket is the bucket of the next command.
func (l *Log) bucket(at time.Time) uint32 {
	t := l.c.Ground.Tail()
	if t.Bucket == 0 {
		return 1
	}
	if t.BucketBytes >= l.c.Budget.bucketBytes() || at.Sub(t.BucketSince) >= bucketAge {
		return t.Bucket + 1
	}
	return t.Bucket
}

const bucketAge = time.Hour
