package intake

import (
	"context"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// Bounds of one Put of a Store.
const (
	putEntries = 500
	putBytes   = 4 << 20
	leastWait  = 50 * time.Millisecond // so that a Put takes up what came together
)

// Store puts the entries of requests into the log. Its fields are set before
// the first Put. It is safe for concurrent use.
type Store struct {
	Writer  shardlog.Writer
	Control shardlog.Control // makes streams that are missing; nil: they are not made
	// Patience is how long the rest of a request is tried of which a part is
	// stored already. It should end before the client gives up.
	Patience time.Duration
}

// Refusal is an entry that was not stored and never will be.
type Refusal struct {
	Index int // among the entries of the Put
	Err   error
}

// Put stores entries in order and returns when each is durable or refused for
// good. An error means that something else is not stored, so that the request
// has to come again: at once when nothing of it was stored, otherwise after
// the rest was tried for as long as Patience. What was stored of it by then is
// stored again when it comes again. Bytes are borrowed until Put returns.
// Kinds: Throttled, Full, Unavailable, Unknown, NotFound, Internal.
func (s *Store) Put(ctx context.Context, spec shardlog.StreamSpec, entries []shardlog.Entry) ([]Refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	p := put{Store: s, spec: spec, entries: entries, left: make([]int, len(entries))}
	for i := range p.left {
		p.left[i] = i
	}
	for len(p.left) > 0 {
		err := p.round(ctx)
		if err == nil {
			continue
		}
		if !p.again(err) {
			return nil, err
		}
		if !pause(ctx, max(shardlog.RetryAfter(err), leastWait)) {
			return nil, err
		}
	}
	return p.refused, nil
}

// put is one Put in work.
type put struct {
	*Store
	spec    shardlog.StreamSpec
	entries []shardlog.Entry
	left    []int // indexes of entries that are undecided, in order
	stored  bool  // something is
	made    bool  // the stream was
	single  bool  // one entry at a time, since one of them spoils the others
	refused []Refusal
}

// round puts the first entries that are left. Its error is why some of them
// are still left; the rest of a key is left with its first.
func (p *put) round(ctx context.Context) error {
	batch, n := p.take()
	results, err := p.Writer.Put(ctx, p.spec.Name, batch)
	if err == nil && len(results) != n {
		err = shardlog.Errorf(shardlog.Internal, "put", "%d results for %d entries", len(results), n)
	}
	if err != nil {
		return p.failed(ctx, n, err)
	}
	var rest []int
	for i, r := range results {
		switch at := p.left[i]; {
		case r.Err == nil:
			p.stored = true
		case lasting(r.Err):
			p.refused = append(p.refused, Refusal{Index: at, Err: r.Err})
		default:
			rest = append(rest, at)
			if err == nil || shardlog.RetryAfter(r.Err) > shardlog.RetryAfter(err) {
				err = r.Err
			}
		}
	}
	p.left = append(rest, p.left[n:]...)
	return err
}

// take is the next entries within the bounds of one Put.
func (p *put) take() ([]shardlog.Entry, int) {
	most := putEntries
	if p.single {
		most = 1
	}
	var batch []shardlog.Entry
	size := 0
	for _, i := range p.left[:min(len(p.left), most)] {
		e := p.entries[i]
		if size += e.Size(); size > putBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, e)
	}
	return batch, len(batch)
}

// failed deals with a Put of which nothing was stored, as far as is known.
func (p *put) failed(ctx context.Context, n int, err error) error {
	switch kind := shardlog.KindOf(err); {
	case kind == shardlog.NotFound && p.Control != nil && !p.made:
		p.made = true
		return ingest.Make(ctx, p.Control, p.spec)
	case lasting(err) && n == 1:
		p.refused = append(p.refused, Refusal{Index: p.left[0], Err: err})
		p.left = p.left[1:]
		return nil
	case lasting(err):
		p.single = true
		return nil
	default:
		return err
	}
}

// again reports whether the rest of the request is worth another try here.
// When nothing is stored, the client does that better.
func (p *put) again(err error) bool {
	if !p.stored {
		return shardlog.KindOf(err) == shardlog.Moved
	}
	switch shardlog.KindOf(err) {
	case shardlog.Throttled, shardlog.Unavailable, shardlog.Moved:
		return true
	default:
		return false
	}
}

// lasting reports whether the log will never take that entry.
func lasting(err error) bool {
	k := shardlog.KindOf(err)
	return k == shardlog.Invalid || k == shardlog.Denied || k == shardlog.LimitExceeded
}

// pause waits; false when the context ends before, or would.
func pause(ctx context.Context, wait time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
