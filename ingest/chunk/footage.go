package chunk

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"headgate/shardlog"
)

// Footage is what is stored of one camera: a stream of one shard that holds
// parts. It keeps nothing: the log is the index, because the times of parts
// grow with their sequence numbers.
type Footage struct {
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	Stream  shardlog.StreamName
}

// Stored is a part and its place.
type Stored struct {
	Part
	Seq     shardlog.Seq // of its first record
	Next    shardlog.Seq // behind its last
	Bytes   int
	Arrived int64 // when the log took it, milliseconds since 1970
}

// shard is where the parts lie, with the ends of what is readable.
func (f *Footage) shard() (shardlog.Shard, error) {
	s, ok := f.Catalog.Stream(f.Stream)
	if !ok || len(s.Shards) == 0 {
		return shardlog.Shard{}, &shardlog.Error{Kind: shardlog.NotFound, Op: "find footage", Stream: f.Stream}
	}
	return s.Shards[len(s.Shards)-1], nil
}

// scan is how many bytes one read of a scan asks for.
const scan = 1 << 20

// Parts yields the parts from seq on, in order, up to what is readable now.
// Records that are no part, and parts that lie there twice, are passed over.
func (f *Footage) Parts(ctx context.Context, from shardlog.Seq) iter.Seq2[Stored, error] {
	return f.walk(ctx, from, scan, false)
}

// Follow is Parts, and then waits for more until ctx ends.
func (f *Footage) Follow(ctx context.Context, from shardlog.Seq) iter.Seq2[Stored, error] {
	return f.walk(ctx, from, scan, true)
}

func (f *Footage) walk(ctx context.Context, from shardlog.Seq, size int, follow bool) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		shard, err := f.shard()
		if err != nil {
			yield(Stored{}, err)
			return
		}
		j := new(joiner)
		for cursor := (shardlog.Cursor{Next: from}); ; {
			page, err := f.Reader.Read(ctx, shard.ID, cursor, shardlog.Budget{Records: 256, Bytes: size})
			if err != nil {
				yield(Stored{}, err)
				return
			}
			for _, r := range page.Records {
				if p, ok := j.add(r); ok && !yield(p, nil) {
					return
				}
			}
			cursor = page.Next
			switch {
			case len(page.Records) > 0 || !page.Tip && !page.End:
			case !follow || page.End:
				return
			default:
				if err := f.Reader.Wait(ctx, shard.ID, cursor.Next); err != nil {
					yield(Stored{}, err)
					return
				}
			}
		}
	}
}

// joiner makes parts of records.
type joiner struct {
	held   []byte // the beginning of a part that goes on
	more   int
	at     Stored
	recent [remembered]identity // a ring of the latest parts
	count  int
}

// remembered is how many parts a Put that is repeated may hold.
const remembered = 512

// identity tells a part from others.
type identity struct {
	began, start int64
	bytes        int
}

// add takes the next record; ok says that a part is complete with it.
func (j *joiner) add(r shardlog.Record) (s Stored, ok bool) {
	data := r.Data
	if j.more > 0 && r.Seq == j.at.Next {
		j.held = append(j.held, r.Data...)
		data = j.held
	} else {
		j.at = Stored{Seq: r.Seq, Arrived: r.Arrived.UnixMilli()}
		j.held = nil
	}
	part, more, err := Open(data)
	j.more = more
	if err != nil {
		return s, false
	}
	j.at.Part, j.at.Next, j.at.Bytes = part, r.Seq+1, len(data)
	if more > 0 {
		if j.held == nil {
			j.held = bytes.Clone(data)
		}
		return s, false
	}
	if j.repeats() {
		return s, false
	}
	return j.at, true
}

// repeats reports whether the part has been read: it was stored again because
// nobody knew whether it had been.
func (j *joiner) repeats() bool {
	id := identity{j.at.Take.Began, j.at.Start, j.at.Bytes}
	if slices.Contains(j.recent[:min(j.count, remembered)], id) {
		return true
	}
	j.recent[j.count%remembered] = id
	j.count++
	return false
}

// first is the first part at or behind seq; false when there is none.
func (f *Footage) first(ctx context.Context, seq shardlog.Seq) (Stored, bool, error) {
	for p, err := range f.walk(ctx, seq, 1, false) {
		return p, err == nil, err
	}
	return Stored{}, false, nil
}

// Find is the last part that starts at or before a time, the first of all when
// none does. Kind NotFound: there is none.
func (f *Footage) Find(ctx context.Context, at int64) (Stored, error) {
	shard, err := f.shard()
	if err != nil {
		return Stored{}, err
	}
	best, found, err := f.first(ctx, shard.Oldest)
	if err != nil || !found {
		return best, f.none(err)
	}
	for low, high := best.Next, shard.Next; low < high; { // the part lies in [best, high)
		middle := low + (high-low)/2
		p, found, err := f.first(ctx, middle)
		switch {
		case err != nil:
			return best, err
		case found && p.Seq < high && p.Start <= at:
			best, low = p, p.Next
		default:
			high = middle
		}
	}
	return best, nil
}

func (f *Footage) none(err error) error {
	if err != nil {
		return err
	}
	return &shardlog.Error{Kind: shardlog.NotFound, Op: "find footage", Stream: f.Stream}
}

// Key is the last part at or before a time from which decoding may start, in
// the take that the time falls into.
func (f *Footage) Key(ctx context.Context, at int64) (Stored, error) {
	p, err := f.Find(ctx, at)
	if err != nil || p.Key() {
		return p, err
	}
	key, ok, err := f.keyBefore(ctx, p)
	if err != nil || ok {
		return key, err
	}
	for p, err := range f.Parts(ctx, p.Seq) { // the beginning of its take has gone
		if err != nil || p.Key() {
			return p, err
		}
	}
	return p, f.none(nil)
}

// back is how many records a step backwards reads.
const back = 8

// keyBefore walks back from a part to one with a header, within its take.
func (f *Footage) keyBefore(ctx context.Context, p Stored) (key Stored, ok bool, err error) {
	shard, err := f.shard()
	if err != nil {
		return key, false, err
	}
	for end := p.Seq; end > shard.Oldest; {
		from := max(shard.Oldest, end-min(end, back))
		var take int64
		for q, err := range f.Parts(ctx, from) {
			if err != nil {
				return key, false, err
			}
			if q.Seq >= end {
				break
			}
			take = q.Take.Began
			if q.Key() && take == p.Take.Began {
				key, ok = q, true
			}
		}
		if ok || take != 0 && take != p.Take.Began {
			return key, ok, nil
		}
		end = from
	}
	return key, false, nil
}

// Last is the newest part. Kind NotFound: there is none.
func (f *Footage) Last(ctx context.Context) (Stored, error) {
	shard, err := f.shard()
	if err != nil {
		return Stored{}, err
	}
	for end := shard.Next; end > shard.Oldest; {
		from := max(shard.Oldest, end-min(end, back))
		var last Stored
		for p, err := range f.Parts(ctx, from) {
			if err != nil {
				return last, err
			}
			last = p
		}
		if last.Frames != nil {
			return last, nil
		}
		end = from
	}
	return Stored{}, f.none(nil)
}
