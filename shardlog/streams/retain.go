package streams

import (
	"context"
	"time"

	"headgate/shardlog"
)

const (
	retainEvery  = time.Minute
	weighEvery   = 2 * time.Second
	horizonEvery = 5 * time.Minute  // a horizon that only hides records costs a sync
	settleTime   = 30 * time.Second // until what was given up is free on the disk
)

// Retain is the duty that gives up what is past its retention, makes room
// when the budget runs short, and copies gaps to the stream _gaps. It runs
// while this gateway leads.
func (l *Log) Retain(ctx context.Context) error {
	r := retaining{l: l, horizons: map[shardlog.StreamID]time.Time{}}
	if err := l.copyGaps(ctx); err != nil {
		l.c.Log.Warn("gaps are not copied", "error", err)
	}
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	var looked time.Time
	for {
		if now := time.Now(); now.Sub(looked) >= retainEvery {
			looked = now
			r.expire(ctx)
		}
		r.weigh(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-l.trim:
			looked, r.horizons = time.Time{}, map[shardlog.StreamID]time.Time{}
		case <-tick.C:
		}
	}
}

type retaining struct {
	l        *Log
	horizons map[shardlog.StreamID]time.Time // when each was last moved
	made     time.Time                       // when room was last made
}

// expire proposes the trims that are due by age.
func (r *retaining) expire(ctx context.Context) {
	if !r.l.clock.MayTrim() {
		return
	}
	now := r.l.clock.Stamp().At
	filling := r.l.c.Ground.Tail().Bucket
	for _, s := range r.l.c.Catalog.Streams() {
		extents := r.l.c.Ground.Extents(s.ID)
		if len(extents) == 0 {
			continue
		}
		t := shardlog.Trim{At: now, Stream: s.ID, Horizon: now.Add(-s.Retention), Through: expired(extents, now.Add(-s.Retention), filling, r.pins(ctx, s))}
		hides := extents[0].Oldest.Before(t.Horizon) && time.Since(r.horizons[s.ID]) >= horizonEvery
		if t.Through == 0 && !hides {
			continue
		}
		if r.trim(ctx, t) {
			r.horizons[s.ID] = time.Now()
		}
	}
}

// expired is the last bucket that goes: it and all before it are older than
// the horizon, and no pin wants anything of them.
func expired(extents []shardlog.Extent, horizon time.Time, filling uint32, pins map[uint32]shardlog.Seq) (through uint32) {
	for _, e := range extents {
		if e.Bucket >= filling || !e.Newest.Before(horizon) {
			return through
		}
		for _, end := range e.Ends {
			if pin, pinned := pins[end.Shard]; pinned && pin < end.End {
				return through
			}
		}
		through = e.Bucket
	}
	return through
}

// pins are the first records that pinned cursors of a stream still want, by shard.
func (r *retaining) pins(ctx context.Context, s shardlog.Stream) map[uint32]shardlog.Seq {
	pins := map[uint32]shardlog.Seq{}
	for _, sh := range s.Shards {
		for _, value := range r.l.c.States.List(ctx, shardlog.Cursors, shardlog.CursorKey(sh.ID, "")) {
			c, err := shardlog.DecodeCursor(value)
			if err != nil || !c.Pinned {
				continue
			}
			if least, seen := pins[sh.ID.Number]; !seen || c.Next < least {
				pins[sh.ID.Number] = c.Next
			}
		}
	}
	return pins
}

// weigh compares the disk with the budget, refuses writers or lets them in
// again, and makes room.
func (r *retaining) weigh(ctx context.Context) {
	usage, err := r.l.c.Ground.Usage()
	if err != nil {
		r.l.c.Log.Warn("disk usage is not known", "error", err)
		return
	}
	m := r.l.c.Budget.marks(usage)
	r.l.mu.Lock()
	r.l.full, r.l.counts.Marks = m.why(), m
	r.l.mu.Unlock()
	if time.Since(r.made) < settleTime && m.why() == nil {
		return // what was given up before is still being freed
	}
	var extents []shardlog.Extent
	stored := uint64(0)
	for _, s := range r.l.c.Catalog.Streams() {
		for _, e := range r.l.c.Ground.Extents(s.ID) {
			extents = append(extents, e)
			stored += e.Bytes
		}
	}
	excess := m.excess(stored)
	if excess == 0 || time.Since(r.made) < settleTime/6 {
		return
	}
	for _, t := range victims(extents, r.l.c.Ground.Tail().Bucket, excess) {
		t.At = r.l.clock.Stamp().At
		if r.trim(ctx, t) {
			r.made = time.Now()
		}
	}
}

// trim proposes a Trim and passes its gaps on.
func (r *retaining) trim(ctx context.Context, t shardlog.Trim) bool {
	out, err := r.l.c.Proposer.Propose(ctx, t)
	if err == nil {
		err = out.Err
	}
	if err != nil {
		if ctx.Err() == nil {
			r.l.c.Log.Warn("trim failed", "stream", t.Stream, "error", err)
		}
		return false
	}
	for _, g := range out.Gaps {
		r.l.c.Log.Warn("records were given up", "stream", g.Stream, "shard", g.Shard, "first", g.First, "last", g.Last, "reason", g.Reason)
	}
	if len(out.Gaps) > 0 {
		r.l.mu.Lock()
		r.l.counts.Gaps += uint64(len(out.Gaps))
		r.l.mu.Unlock()
		if err := r.l.copyGaps(ctx); err != nil && ctx.Err() == nil {
			r.l.c.Log.Warn("gaps are not copied", "error", err)
		}
	}
	return true
}
