package streams

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
)

// Take is Put under a number: it is applied once, however often it is handed
// in and to whichever leader. A number that is still here is waited for, and
// one that the log remembers is answered from there; an entry that was refused
// then is answered Unavailable and certainly not stored.
//
// Kinds as of Put; Unavailable at once, with nothing taken, when this gateway
// does not lead; Expired when the number is settled. After Unknown the same
// number may be handed in again.
func (l *Log) Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	if err := ctx.Err(); err != nil {
		return shardlog.Taken{}, unavailable("put", n.Stream, err)
	}
	if err := shardlog.CheckMutations(n.With); err != nil {
		return shardlog.Taken{}, err
	}
	if n.ID.Number == 0 {
		return shardlog.Taken{}, shardlog.Errorf(shardlog.Invalid, "put", "numbers begin at 1")
	}
	p := &put{name: n.Stream, id: n.ID, settled: n.Settled, drained: n.Drained, entries: n.Entries, with: n.With,
		since: time.Now(), done: make(chan struct{})}
	s, err := l.receive(ctx, p)
	if err != nil {
		return shardlog.Taken{}, err
	}
	first, wait, err := l.enter(p, s)
	if err != nil || !wait {
		return shardlog.Taken{Results: p.results, Index: p.index}, err
	}
	if first != p {
		return first.join(ctx)
	}
	if _, err := l.await(ctx, p); err != nil {
		return shardlog.Taken{}, err
	}
	return shardlog.Taken{Results: p.results, Index: p.index}, nil
}

// enter lets a numbered Put into the pool, or finds the one of its number that
// is there. wait is false when nothing of it is left to store.
func (l *Log) enter(p *put, s shardlog.Stream) (first *put, wait bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ended(l.led) {
		return p, false, unavailable("put", p.name, errNotLeading)
	}
	if other := l.taken[p.id]; other != nil {
		return other, true, nil
	}
	m, known, err := l.c.Ground.Memo(p.id)
	if err != nil {
		return p, false, err
	}
	if known {
		p.recall(m, s)
		if p.next == len(p.entries) {
			return p, false, nil
		}
	}
	if wait, err = l.admitted(p, s); wait {
		l.taken[p.id] = p
	}
	return p, wait, err
}

// forget takes a Put that is through from the numbered ones. The caller holds mu.
func (l *Log) forget(p *put) {
	if l.taken[p.id] == p {
		delete(l.taken, p.id)
	}
}

var errRefusedBefore = errors.New("it was refused when it was handed in before")

// recall answers the entries that commands hold already.
func (p *put) recall(m shardlog.Memo, s shardlog.Stream) {
	p.index = m.Index
	for i, e := range m.Entries[:min(len(m.Entries), len(p.entries))] {
		p.next = i + 1
		p.results[i] = p.place(e, s)
	}
}

// place is what the log remembers of an entry.
func (p *put) place(e shardlog.Placed, s shardlog.Stream) shardlog.Result {
	if e.Seq == 0 {
		return shardlog.Result{Err: unavailable("put", p.name, errRefusedBefore)}
	}
	sh, ok := shardOf(&s, e.Shard.Number)
	if !ok {
		sh = &shardlog.Shard{ID: e.Shard}
	}
	return shardlog.Result{Shard: e.Shard, Number: sh.Number(e.Seq, time.UnixMilli(e.At))}
}

// join waits for a Put of the same number.
func (p *put) join(ctx context.Context) (shardlog.Taken, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return shardlog.Taken{}, &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: ctx.Err()}
	}
	results, err := p.answer()
	return shardlog.Taken{Results: results, Index: p.index}, err
}

// goesOn wants a numbered take to begin where the log stands with its bundle.
func (l *Log) goesOn(t take) error {
	if t.put.id.Number == 0 {
		return nil
	}
	m, _, err := l.c.Ground.Memo(t.put.id)
	if err != nil {
		return err
	}
	if len(m.Entries) != t.from {
		return unavailable("put", t.put.name, errElsewhere)
	}
	return nil
}

var errElsewhere = errors.New("another leader took some of it")

// Concede accounts for records that were given up before they had a place,
// once: a mutation that was made before makes it Conflict.
func (l *Log) Concede(ctx context.Context, gaps []shardlog.Gap, once ...shardlog.Mutation) error {
	if err := shardlog.CheckMutations(once); err != nil {
		return err
	}
	return l.control(ctx, shardlog.Concede{At: l.clock.Stamp().At, Gaps: gaps, Mutations: once})
}
