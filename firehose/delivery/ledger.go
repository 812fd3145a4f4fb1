package delivery

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"headgate/shardlog"
)

const (
	ledgerLinger = 20 * time.Millisecond // waits for other shards' changes, to share one fsync
	ledgerGroup  = 16                    // changes of one Mutate; together far below MaxCommandBytes
	ledgerRetry  = time.Second
)

// errTaken says that somebody else changed the state meanwhile: another
// gateway runs the delivery too. The state must be loaded again.
var errTaken = errors.New("another run of the delivery changed its state")

// ledger makes changes of state durable, those of several shards in one
// Mutate. It has no goroutine: the first caller works for those who come
// while it does.
type ledger struct {
	states shardlog.States
	failed func(error) // told of errors that are tried again

	mu    sync.Mutex
	queue []*change // guarded by mu
	busy  bool      // guarded by mu
}

type change struct {
	mutations []shardlog.Mutation
	done      chan error // takes one
}

// place is one value of state as it was last known.
type place struct {
	key     string
	version shardlog.Version // zero: no value
}

// save replaces the value at p, and does the rest with it, all or nothing. It
// tries until it knows the outcome and then knows p's new version. It answers
// errTaken when somebody else changed p, and ctx's error when that ends.
func (l *ledger) save(ctx context.Context, p *place, value []byte, also ...shardlog.Mutation) error {
	expect := shardlog.Absent()
	if p.version != 0 {
		expect = shardlog.At(p.version)
	}
	mutations := append([]shardlog.Mutation{{Space: Space, Key: p.key, Value: value, Expect: expect}}, also...)
	for {
		err := l.commit(ctx, mutations)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		got, version, readErr := l.states.Get(ctx, Space, p.key)
		switch {
		case readErr == nil && bytes.Equal(got, value):
			p.version = version
			return nil
		case readErr == nil && version != p.version, readErr != nil && shardlog.KindOf(readErr) == shardlog.NotFound && p.version != 0:
			return errTaken
		case err == nil && readErr == nil:
			return errTaken
		case err == nil:
			err = readErr
		}
		if kind := shardlog.KindOf(err); kind == shardlog.Invalid {
			return err
		}
		l.failed(err)
		if err := pause(ctx, max(ledgerRetry, shardlog.RetryAfter(err))); err != nil {
			return err
		}
	}
}

// commit makes the mutations with whatever else is waiting.
func (l *ledger) commit(ctx context.Context, mutations []shardlog.Mutation) error {
	c := &change{mutations: mutations, done: make(chan error, 1)}
	l.mu.Lock()
	l.queue = append(l.queue, c)
	first := !l.busy
	l.busy = true
	l.mu.Unlock()
	if first {
		l.work(ctx)
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work commits until nobody waits.
func (l *ledger) work(ctx context.Context) {
	for {
		pause(ctx, ledgerLinger)
		l.mu.Lock()
		n := min(len(l.queue), ledgerGroup)
		group := l.queue[:n:n]
		l.queue = l.queue[n:]
		if n == 0 {
			l.busy = false
		}
		l.mu.Unlock()
		if n == 0 {
			return
		}
		l.flush(ctx, group)
	}
}

// flush commits a group at once. One change whose expectation fails must not
// fail its neighbours, so then they go one by one.
func (l *ledger) flush(ctx context.Context, group []*change) {
	var all []shardlog.Mutation
	for _, c := range group {
		all = append(all, c.mutations...)
	}
	err := l.states.Mutate(ctx, all...)
	for _, c := range group {
		if err != nil && len(group) > 1 && shardlog.KindOf(err) != shardlog.Unavailable {
			c.done <- l.states.Mutate(ctx, c.mutations...)
			continue
		}
		c.done <- err
	}
}

// pause waits, or answers ctx's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
