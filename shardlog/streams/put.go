package streams

import (
	"context"
	"time"

	"headgate/shardlog"
)

// put is one call of Put on its way.
type put struct {
	name    shardlog.StreamName
	entries []shardlog.Entry
	hashes  []shardlog.Hash
	results []shardlog.Result
	with    []shardlog.Mutation
	since   time.Time

	// guarded by Log.mu until done is closed
	next   int  // the first entry that no command holds yet
	bytes  int  // of the entries that wait
	sealed bool // some of it may have been stored
	err    error
	done   chan struct{}
}

// Put stores entries; see shardlog.Writer. Once a command holds them, the end
// of ctx does not end the wait. An entry that is malformed is
// answered Invalid alone; in a Put with mutations it makes the whole Invalid.
func (l *Log) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable("put", name, err)
	}
	if err := checkMutations(with); err != nil {
		return nil, err
	}
	p := &put{name: name, entries: entries, with: with, since: time.Now(), done: make(chan struct{})}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	if err := l.waitForRoom(ctx, name); err != nil {
		return nil, err
	}
	if wait, err := l.admit(p); err != nil || !wait {
		return p.results, err
	}
	return l.await(ctx, p)
}

func unavailable(op string, name shardlog.StreamName, err error) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, Stream: name, Err: err}
}

// prepare does what needs no lock: checks and hashes.
func (p *put) prepare() error {
	p.results = make([]shardlog.Result, len(p.entries))
	p.hashes = make([]shardlog.Hash, len(p.entries))
	for i := range p.entries {
		e := &p.entries[i]
		if err := check(e); err != nil {
			if len(p.with) > 0 {
				return err
			}
			p.results[i].Err = err
			continue
		}
		if e.Hash != nil {
			p.hashes[i] = *e.Hash
		} else {
			p.hashes[i] = shardlog.HashKey(e.Key)
		}
	}
	return nil
}

// waitForRoom holds a Put back while the pool is full.
func (l *Log) waitForRoom(ctx context.Context, name shardlog.StreamName) error {
	var patience <-chan time.Time
	for {
		l.mu.Lock()
		room, full := l.pool.room, l.pool.bytes >= poolBytes
		l.mu.Unlock()
		if !full {
			return nil
		}
		if patience == nil {
			timer := time.NewTimer(l.c.Patience)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-room:
		case <-patience:
			return unavailable("put", name, errPoolFull)
		case <-ctx.Done():
			return unavailable("put", name, ctx.Err())
		}
	}
}

// admit charges the Put and lets it into the pool; wait is false when nothing
// of it is left to store.
func (l *Log) admit(p *put) (wait bool, err error) {
	s, ok := l.c.Catalog.Stream(p.name)
	if !ok {
		return false, &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: p.name}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full != nil && !p.name.Own() {
		l.counts.Refused++
		return false, &shardlog.Error{Kind: shardlog.Full, Op: "put", Stream: p.name, RetryAfter: fullRetry, Err: l.full}
	}
	if len(p.with) > 0 {
		err := l.chargeAll(p, s, p.since)
		if err != nil && shardlog.KindOf(err) != shardlog.Throttled {
			return false, err
		}
	} else {
		l.charge(p, s, p.since)
	}
	left := 0
	for i := range p.results {
		switch err := p.results[i].Err; {
		case err == nil:
			left++
			p.bytes += p.entries[i].Size() + len(p.entries[i].Meta)
		case shardlog.KindOf(err) == shardlog.Throttled:
			l.counts.Throttled++
		default:
			l.counts.Invalid++
		}
	}
	l.counts.Puts++
	if left == 0 && (len(p.entries) > 0 || len(p.with) == 0) {
		return false, nil
	}
	l.pool.add(p, left)
	l.nudge()
	return true, nil
}

// nudge wakes the pool. The caller may hold mu.
func (l *Log) nudge() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// await waits for the Put's end, and takes it out of the pool when the caller
// gives up before a command holds it.
func (l *Log) await(ctx context.Context, p *put) ([]shardlog.Result, error) {
	l.mu.Lock()
	led := l.led
	l.mu.Unlock()
	patience := time.NewTimer(l.c.Patience)
	defer patience.Stop()
	for {
		select {
		case <-p.done:
			return p.answer()
		case <-led:
			led = nil // Run answers from here on
			patience.Stop()
		case <-patience.C:
			if l.withdraw(p) {
				return nil, unavailable("put", p.name, errNotLeading)
			}
		case <-ctx.Done():
			if l.withdraw(p) {
				return nil, unavailable("put", p.name, ctx.Err())
			}
			// A command holds it: its entries are still borrowed, and the
			// outcome is near.
			<-p.done
			return p.answer()
		}
	}
}

func (p *put) answer() ([]shardlog.Result, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.results, nil
}

// withdraw takes a Put out of the pool; false when it is too late for that.
func (l *Log) withdraw(p *put) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.sealed {
		return false
	}
	return l.pool.remove(p)
}
