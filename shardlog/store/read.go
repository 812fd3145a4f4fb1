package store

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Read reads one shard forward. It never goes beyond what has been applied.
func (s *Store) Read(ctx context.Context, id shardlog.ShardID, from shardlog.Cursor, max shardlog.Budget) (shardlog.Page, error) {
	v, err := s.view(id)
	if err != nil {
		return shardlog.Page{}, err
	}
	r := reading{s: s, view: v, ctx: ctx, max: max, seq: from.Next, pinned: from.Pinned}
	low := v.shard.Oldest
	if from.Pinned {
		low = v.shard.Kept
	}
	if r.seq < low {
		r.seq = low
	}
	err = r.run()
	for errors.Is(err, errMended) {
		err = r.run() // over what is whole now
	}
	if err != nil {
		return shardlog.Page{}, err
	}
	return r.finish(from.Pinned), nil
}

// view is what one read sees of a shard: it holds still while others write.
type view struct {
	id      shardlog.ShardID
	stream  shardlog.StreamName
	class   shardlog.Class
	shard   shardlog.Shard
	horizon time.Time
	applied uint64
	ring    []ref
	extents []*extent
	skips   []skip
}

func (s *Store) view(id shardlog.ShardID) (view, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.state.byID[id.Stream]
	if st == nil {
		return view{}, &shardlog.Error{Kind: shardlog.NotFound, Op: "read shard", Shard: &id}
	}
	sh := st.shardOf(id.Number)
	if sh == nil {
		return view{}, &shardlog.Error{Kind: shardlog.NotFound, Op: "read shard", Stream: st.Name, Shard: &id}
	}
	return view{id: id, stream: st.Name, class: st.Class, shard: *sh, horizon: st.horizon, applied: s.state.applied,
		ring: st.ring, extents: st.extents, skips: st.skips}, nil
}

// reading is one Read on its way.
type reading struct {
	s      *Store
	view   view
	ctx    context.Context
	max    shardlog.Budget
	pinned bool

	seq   shardlog.Seq // wanted next
	tries int          // to mend what was missing at this place
	place shardlog.Seq // where that is
	bytes int
	last  time.Time // arrival of the last record taken or passed over
	page  shardlog.Page
}

var errPageFull = errors.New("page is full")

func (r *reading) run() error {
	if r.seq >= r.view.shard.Next {
		return nil
	}
	err := r.fromRing()
	if errors.Is(err, errNotInRing) {
		err = r.fromDisk()
	}
	if errors.Is(err, errPageFull) {
		return nil
	}
	if err == nil && r.seq < r.view.shard.Next {
		if err = r.trimmed(); err == nil && r.seq < r.view.shard.Next {
			err = r.passOver(r.view.shard.Next) // the rest cannot be read
		}
	}
	return err
}

// trimmed moves on to where the shard begins by now: a Trim may have come in
// between.
func (r *reading) trimmed() error {
	sh, err := r.s.shard(r.view.id)
	r.seq = max(r.seq, sh.Kept)
	return err
}

// finish makes the page of what was read.
func (r *reading) finish(pinned bool) shardlog.Page {
	p := &r.page
	p.Next = shardlog.Cursor{Next: r.seq, Pinned: pinned}
	p.Tip = r.seq >= r.view.shard.Next
	p.End = p.Tip && r.view.shard.Closed
	if !p.Tip && !r.last.IsZero() {
		if behind := r.s.now().Sub(r.last); behind > 0 {
			p.Behind = behind
		}
	}
	return *p
}

var errNotInRing = errors.New("not among the newest blocks")

// fromRing reads what the newest blocks hold, if they reach back far enough.
func (r *reading) fromRing() error {
	ring, start := r.view.ring, -1
	for i := len(ring) - 1; i >= 0 && start < 0; i-- {
		if run, ok := find(ring[i].runs, r.view.id.Number); ok && run.First <= r.seq {
			start = i
		}
	}
	if start < 0 {
		return errNotInRing
	}
	for _, ref := range ring[start:] {
		if ref.index > r.view.applied {
			break
		}
		run, ok := find(ref.runs, r.view.id.Number)
		if !ok {
			continue
		}
		load := func() ([]byte, error) { return r.s.value(ref.key()) }
		if err := r.takeBlock(ref.place, ref.at, run, load); err != nil {
			return err
		}
	}
	return nil
}

func find(runs []block.Run, shard uint32) (block.Run, bool) {
	for _, r := range runs {
		if r.Shard == shard {
			return r, true
		}
	}
	return block.Run{}, false
}

// takeBlock reads one run of a block onto the page, from the wanted record
// on. A block that cannot be read is set aside; its records become a gap once
// a later one is found.
func (r *reading) takeBlock(p place, at time.Time, run block.Run, load func() ([]byte, error)) error {
	end := run.First + shardlog.Seq(run.Count)
	if end <= r.seq {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if !r.pinned && at.Before(r.view.horizon) {
		r.seq, r.last = end, at // expired
		return nil
	}
	b, err := r.s.cache.open(p, load)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		if err := r.trimmed(); err != nil || r.seq >= end {
			return err
		}
	}
	if err != nil {
		return r.s.setAside(p, r.view.stream, err)
	}
	if run.First > r.seq {
		if err := r.passOver(run.First); err != nil {
			return err
		}
	}
	i, ok := b.Find(r.view.id.Number)
	if !ok {
		return r.s.setAside(p, r.view.stream, shardlog.Errorf(shardlog.Corrupt, "read block", "run is missing"))
	}
	for n := int(r.seq - run.First); n < int(run.Count); n++ {
		if err := r.takeRecord(b.Record(i, n)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) takeRecord(rec shardlog.Record) error {
	size := rec.Size()
	if n := len(r.page.Records); n > 0 && (n >= r.max.Records || r.bytes+size > r.max.Bytes) {
		return errPageFull
	}
	r.page.Records = append(r.page.Records, rec)
	r.bytes += size
	r.seq, r.last = rec.Seq+1, rec.Arrived
	return nil
}

var errMended = errors.New("what was missing is there now")

// mendTries is how often a reader asks for what it misses at one place: what
// came back may have been for somebody else.
const mendTries = 3

// passOver goes on behind records that are not there, unless a peer can give
// them back: then it answers errMended. Kind Unavailable: some peer may have
// them, but cannot be asked now.
func (r *reading) passOver(next shardlog.Seq) error {
	if r.place != r.seq {
		r.place, r.tries = r.seq, 0
	}
	if mend := r.s.mender.Load(); mend != nil && r.tries < mendTries {
		r.tries++
		if err := r.noteHoles(next); err != nil {
			return err
		}
		switch err := (*mend)(r.ctx); {
		case err == nil:
			return errMended
		case shardlog.KindOf(err) == shardlog.Unavailable && len(r.page.Records) > 0:
			return errPageFull // the next read says it
		case shardlog.KindOf(err) == shardlog.Unavailable:
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: "read shard", Stream: r.view.stream, Shard: &r.view.id, Err: err}
		}
	}
	r.gapTo(next)
	return nil
}

// noteHoles weighs the extents that should hold the wanted record and those
// that follow it up to next.
func (r *reading) noteHoles(next shardlog.Seq) error {
	for _, e := range r.view.extents {
		reach := e.reachOf(r.s, r.view.id.Number)
		if reach <= r.seq {
			continue
		}
		if _, _, err := r.s.noteHole(e.name()); err != nil {
			return err
		}
		if reach >= next {
			break
		}
	}
	return nil
}

// SetMender has readers that miss records ask for them before they pass over
// a gap. mend returns nil when it has brought something back, and Kind
// Unavailable when it could not ask everybody: the reader is told to come again.
func (s *Store) SetMender(mend func(ctx context.Context) error) { s.mender.Store(&mend) }

// gapTo passes over records that are not there.
func (r *reading) gapTo(next shardlog.Seq) {
	r.page.Gaps = append(r.page.Gaps, shardlog.Gap{
		Stream: r.view.stream, Shard: r.view.id, First: r.seq, Last: next - 1,
		Records: uint64(next - r.seq), Reason: shardlog.Quarantined, At: r.s.now().UTC(),
	})
	r.seq = next
}
