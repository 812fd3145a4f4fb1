package streams

import (
	"context"
	"time"

	"headgate/shardlog"
)

// put is one call of Put or Take on its way.
type put struct {
	name    shardlog.StreamName
	id      shardlog.BundleID // Number zero: it has none
	settled uint64            // of its origin
	drained bool              // from a spool: not charged
	entries []shardlog.Entry
	hashes  []shardlog.Hash
	results []shardlog.Result
	with    []shardlog.Mutation
	since   time.Time
	done    chan struct{}

	// guarded by Log.mu; of a Put in flight, results and err are the cycle's
	joined    time.Time // when it came into the pool
	next      int       // the first entry that no command has held yet
	records   int       // that wait
	bytes     int       // that wait, by cost
	inFlight  bool      // a command holds some of it
	abandoned bool      // its caller went away: its entries must not be read any more
	err       error     // of the whole
	index     uint64    // of the last command that held some of it
	failed    bool      // what comes after next shall not be stored
}

// step moves next over one entry and answers what that is.
func (p *put) step() (records, bytes int) {
	if p.results[p.next].Err == nil {
		records, bytes = 1, cost(&p.entries[p.next])
	}
	p.next++
	return records, bytes
}

// Put stores entries; see shardlog.Writer. An entry that is malformed is
// answered Invalid alone; in a Put with mutations it makes the whole Invalid,
// and so does more than fits into one command. A Put that fails when some of
// it is stored says so entry by entry. When ctx ends while nothing is sealed
// yet Put answers Unavailable, after that Unknown.
func (l *Log) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable("put", name, err)
	}
	if err := shardlog.CheckMutations(with); err != nil {
		return nil, err
	}
	p := &put{name: name, entries: entries, with: with, since: time.Now(), done: make(chan struct{})}
	s, err := l.receive(ctx, p)
	if err != nil {
		return nil, err
	}
	if wait, err := l.admit(p, s); err != nil || !wait {
		return p.results, err
	}
	return l.await(ctx, p)
}

// receive checks a Put and holds it back until there is room.
func (l *Log) receive(ctx context.Context, p *put) (shardlog.Stream, error) {
	s, ok := l.c.Catalog.Stream(p.name)
	if !ok {
		return s, &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: p.name}
	}
	largest := s.LargestRecord()
	if p.drained {
		largest = shardlog.MaxRecordBytes // it has been acknowledged, whatever the stream takes by now
	}
	if err := p.prepare(largest); err != nil {
		return s, err
	}
	return s, l.waitForRoom(ctx, p.name)
}

func unavailable(op string, name shardlog.StreamName, err error) error {
	return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, Stream: name, Err: err}
}

// prepare does what needs no lock: it checks the entries against the largest
// that is taken, and hashes.
func (p *put) prepare(largest int) error {
	p.results = make([]shardlog.Result, len(p.entries))
	p.hashes = make([]shardlog.Hash, len(p.entries))
	for i := range p.entries {
		e := &p.entries[i]
		p.bytes += cost(e)
		if err := e.Check(largest); err != nil {
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
	if len(p.with) > 0 && len(p.entries) > 1 && p.bytes > commandBytes {
		return shardlog.Errorf(shardlog.Invalid, "put", "%d bytes that are all or nothing, %d are allowed", p.bytes, commandBytes)
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
func (l *Log) admit(p *put, s shardlog.Stream) (wait bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admitted(p, s)
}

// admitted is admit for the one who holds mu.
func (l *Log) admitted(p *put, s shardlog.Stream) (wait bool, err error) {
	if l.full != nil && s.Class != shardlog.Own {
		l.counts.Refused++
		return false, &shardlog.Error{Kind: shardlog.Full, Op: "put", Stream: p.name, RetryAfter: fullRetry, Err: l.full}
	}
	p.joined = time.Now()
	if len(p.with) > 0 {
		l.chargeWhole(p, s)
	} else {
		l.charge(p, s)
	}
	p.records, p.bytes = 0, 0
	for i := p.next; i < len(p.results); i++ {
		switch err := p.results[i].Err; {
		case err == nil:
			p.records++
			p.bytes += cost(&p.entries[i])
		case shardlog.KindOf(err) == shardlog.Throttled:
			l.counts.Throttled++
		default:
			l.counts.Invalid++
		}
	}
	l.counts.Puts++
	if p.records == 0 && (len(p.entries) > 0 || len(p.with) == 0) {
		return false, nil
	}
	l.pool.add(p)
	l.nudge(p)
	return true, nil
}

// nudge wakes the pool when the Put that has just come changes its plans. The
// caller holds mu.
func (l *Log) nudge(p *put) {
	w := &l.pool
	full := w.full || w.records >= fullRecords || w.bytes >= fullBytes
	if len(w.puts) > 1 && !full {
		return // it looks again by itself
	}
	wake(l.kick)
}

// await waits for the Put's end, or withdraws it when its caller gives up.
func (l *Log) await(ctx context.Context, p *put) ([]shardlog.Result, error) {
	l.mu.Lock()
	led := l.led
	l.mu.Unlock()
	var patience <-chan time.Time
	select {
	case <-led:
		led = nil // Run answers
	default:
		timer := time.NewTimer(l.c.Patience)
		defer timer.Stop()
		patience = timer.C
	}
	for {
		select {
		case <-p.done:
			return p.answer()
		case <-led:
			led, patience = nil, nil
		case <-patience:
			if l.leave(p) {
				return nil, unavailable("put", p.name, errNotLeading)
			}
			patience = nil
		case <-ctx.Done():
			return l.withdraw(p, ctx.Err())
		}
	}
}

func (p *put) answer() ([]shardlog.Result, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.results, nil
}

// leave takes a Put out of the pool; false when a command has held some of it.
func (l *Log) leave(p *put) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.inFlight || p.next > 0 || ended(p.done) {
		return false
	}
	l.pool.remove(p)
	l.forget(p)
	return true
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// withdraw answers a caller that does not wait any longer. Its entries are
// not read any more when it returns.
func (l *Log) withdraw(p *put, cause error) ([]shardlog.Result, error) {
	for {
		l.mu.Lock()
		built := l.built
		switch {
		case ended(p.done):
			l.mu.Unlock()
			return p.answer()
		case !p.inFlight:
			defer l.mu.Unlock()
			l.pool.remove(p)
			l.forget(p)
			p.fail(p.next, unavailable("put", p.name, cause))
			close(p.done)
			return p.answer()
		case built == nil:
			defer l.mu.Unlock()
			l.pool.remove(p)
			p.abandoned = true
			return nil, &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: cause}
		}
		l.mu.Unlock()
		select {
		case <-built:
		case <-p.done:
		}
	}
}

// fail ends the Put from an entry on: as a whole when nothing of it has been
// stored, else entry by entry.
func (p *put) fail(from int, err error) {
	p.failed = true
	if from == 0 {
		p.err = err
		return
	}
	for i := from; i < len(p.results); i++ {
		if p.results[i].Err == nil {
			p.results[i] = shardlog.Result{Err: err}
		}
	}
}
