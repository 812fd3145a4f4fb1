package streams

import (
	"context"
	"fmt"
	"time"

	"headgate/shardlog"
)

// Run is the pool: it seals what waits and proposes it, one command at a
// time. It runs while this gateway leads and what was agreed on before has
// been applied. When it ends, a command under way still has a moment to come
// back; who waits then is answered Unavailable or, when the outcome is not
// known, Unknown.
func (l *Log) Run(ctx context.Context) error {
	l.recallHold(ctx)
	l.lead()
	defer l.resign()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.mu.Lock()
		wait, any := l.pool.wait(time.Now())
		l.mu.Unlock()
		if any && wait == 0 {
			l.commit(ctx)
			continue
		}
		if !any {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-l.kick:
		case <-timer.C:
		}
	}
	return nil
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
		p.fail(p.next, unavailable("put", p.name, errNotLeading))
		l.forget(p)
		close(p.done)
	}
	l.pool.puts, l.pool.records, l.pool.bytes, l.pool.full = nil, 0, 0, false
	close(l.pool.room)
	l.pool.room = make(chan struct{})
}

// maxTries bounds how often a cycle is built anew because the state moved
// under it: with one command in flight that takes a split, a mutation beside
// the pool or another leader.
const maxTries = 5

// commit carries one cycle through, and tells its Puts what became of it.
func (l *Log) commit(ctx context.Context) {
	c, began := l.cycle, time.Now()
	c.begin(began)
	defer func() { c.finish(time.Now()) }()
	for tries := 1; ; tries++ {
		a, err := l.build(ctx)
		if err != nil {
			c.fail(shardlog.Internal, err)
			return
		}
		if len(a.Bundles) == 0 && len(a.Mutations) == 0 {
			return // every Put has failed by itself
		}
		out, once, err := l.propose(ctx, a)
		switch {
		case err != nil:
			c.fail(shardlog.KindOf(err), fmt.Errorf("commit: %w", err))
			return
		case out.Err == nil:
			c.settle(out)
			if !once {
				c.correct()
			}
			l.committed(a, began)
			return
		}
		kind := shardlog.KindOf(out.Err)
		if kind != shardlog.Moved && kind != shardlog.Conflict {
			c.fail(kind, fmt.Errorf("commit: %w", out.Err))
			return
		}
		if tries == maxTries {
			c.fail(shardlog.Unavailable, fmt.Errorf("commit: %w", out.Err))
			return
		}
		c.again()
	}
}

// build seals the cycle for the log as it stands. The bundle's number is that
// behind the last one applied: a cycle that was not applied keeps its own.
func (l *Log) build(ctx context.Context) (shardlog.Append, error) {
	defer l.cycle.built()
	g := l.c.Ground
	tail := g.Tail()
	l.clock.Floor(tail.Stamp)
	stamp := l.clock.Stamp()
	number := g.LastBundle(l.c.Gateway, l.c.Incarnation) + 1
	a, err := l.cycle.seal(ctx, stamp, number, l.c.Budget.bucket(tail, stamp.At))
	if err == nil && len(a.Bundles) > 0 {
		a.Mutations = l.noteHold(a.Mutations, stamp)
	}
	return a, err
}

// lastWord is how long a command may still take when Run is asked to end.
const lastWord = 2 * time.Second

// propose proposes the command until it is known what became of it: the
// bundle's number makes a repetition harmless. once is false when the command
// may not have been the first with its bundles: another leader may have taken
// them between two tries, or before one that had to wait for this gateway to
// lead again. Kinds: Unavailable when it was certainly not taken, Unknown.
func (l *Log) propose(ctx context.Context, a shardlog.Append) (out shardlog.Outcome, once bool, err error) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWord, cancel) })()
	var doubt error // once a try may have been taken, a later refusal does not undo it
	for wait, tries := leastRetry, 1; ; wait, tries = min(2*wait, mostRetry), tries+1 {
		out, err := l.c.Proposer.Propose(patient, a)
		if err == nil {
			return out, tries == 1 && ctx.Err() == nil, nil
		}
		if shardlog.KindOf(err) != shardlog.Unavailable || ctx.Err() != nil && patient.Err() != nil {
			doubt = shardlog.Errorf(shardlog.Unknown, "propose", "%w", err)
		}
		if ctx.Err() != nil || len(a.Bundles) == 0 && doubt != nil {
			if doubt != nil {
				return shardlog.Outcome{}, false, doubt
			}
			return shardlog.Outcome{}, false, err
		}
		l.c.Log.Warn("command is proposed again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

const (
	leastRetry = 20 * time.Millisecond
	mostRetry  = time.Second
)
