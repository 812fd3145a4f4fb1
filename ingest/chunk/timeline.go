package chunk

import (
	"context"
	"slices"

	"headgate/shardlog"
)

// Span is a take as far as it lies in the log.
type Span struct {
	From     int64   `json:"from"`               // its first frame in the log, milliseconds since 1970
	To       int64   `json:"to"`                 // its last
	Why      Reason  `json:"after"`              // why there is nothing before From
	Unsynced bool    `json:"unsynced,omitempty"` // times are those of arrival
	Tracks   []Track `json:"-"`                  // as at From
	first    shardlog.Seq
}

// Timeline is the takes that touch the time from..to, in order, at most limit,
// the latest first to be kept. Between them there is no footage, and each says
// why.
func (f *Footage) Timeline(ctx context.Context, from, to int64, limit int) ([]Span, error) {
	p, err := f.Find(ctx, to)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			if _, e := f.shard(); e == nil {
				return nil, nil
			}
		}
		return nil, err
	}
	if p.Start > to {
		return nil, nil
	}
	shard, err := f.shard()
	if err != nil {
		return nil, err
	}
	var spans []Span
	for end := p.Next; end > shard.Oldest && len(spans) < limit && p.End() >= from; {
		span, err := f.span(ctx, p, end)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span)
		end = span.first
		before, ok, err := f.before(ctx, end)
		if err != nil || !ok {
			break
		}
		p = before
	}
	slices.Reverse(spans)
	return spans, nil
}

// span is the take of p, whose part in question ends before end.
func (f *Footage) span(ctx context.Context, p Stored, end shardlog.Seq) (Span, error) {
	first, err := f.start(ctx, p)
	if err != nil {
		return Span{}, err
	}
	s := Span{From: first.Start, To: p.End(), Why: first.Take.Why, Unsynced: p.Take.Unsynced, Tracks: first.Tracks, first: first.Seq}
	if first.Start > first.Take.Began {
		s.Why = Expired
	}
	return s, nil
}

// start is the first part in the log of the take of p.
func (f *Footage) start(ctx context.Context, p Stored) (Stored, error) {
	shard, err := f.shard()
	if err != nil {
		return p, err
	}
	best := p
	for low, high := shard.Oldest, p.Seq; low < high; { // the first of the take lies in [low, best]
		middle := low + (high-low)/2
		q, found, err := f.first(ctx, middle)
		switch {
		case err != nil:
			return p, err
		case found && q.Seq < best.Seq && q.Take.Began < p.Take.Began:
			low = q.Next
		default:
			if found && q.Seq < best.Seq && q.Take.Began == p.Take.Began {
				best = q
			}
			high = middle
		}
	}
	return best, nil
}

// before is the last part that ends before seq.
func (f *Footage) before(ctx context.Context, seq shardlog.Seq) (Stored, bool, error) {
	shard, err := f.shard()
	if err != nil {
		return Stored{}, false, err
	}
	for end := seq; end > shard.Oldest; {
		from := max(shard.Oldest, end-min(end, back))
		var last Stored
		for p, err := range f.Parts(ctx, from) {
			if err != nil {
				return last, false, err
			}
			if p.Seq >= seq {
				break
			}
			last = p
		}
		if last.Frames != nil {
			return last, true, nil
		}
		end = from
	}
	return Stored{}, false, nil
}
