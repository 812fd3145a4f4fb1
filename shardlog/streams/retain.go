package streams

import (
	"context"
	"slices"
	"time"

	"headgate/shardlog"
)

const (
	retainEvery  = time.Minute
	weighEvery   = 2 * time.Second
	weighBytes   = 8 << 20         // sealed; then the disk is weighed at once
	horizonEvery = 5 * time.Minute // a horizon that only hides records costs a sync
	gapsEvery    = 10 * time.Minute
)

// Retain is the duty that gives up what is past its retention, makes room
// when the budget runs short, refuses writers when there is none, and copies
// gaps to the stream _gaps. It runs while this gateway leads.
func (l *Log) Retain(ctx context.Context) error {
	r := retaining{l: l, horizons: map[shardlog.StreamID]horizon{}}
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		r.weigh(ctx, now)
		if now.Sub(r.looked) >= retainEvery {
			r.looked = now
			l.dropRoutes()
			r.expire(ctx, now)
			r.copyGaps(ctx, now)
		}
		select {
		case <-ctx.Done():
		case <-l.trim:
			r.looked, r.horizons = time.Time{}, map[shardlog.StreamID]horizon{}
		case <-l.scale:
		case <-tick.C:
		}
	}
	return nil
}

// retaining belongs to Retain.
type retaining struct {
	l        *Log
	looked   time.Time // when retention was looked at last
	copied   time.Time // when gaps were; zero: some are not yet
	horizons map[shardlog.StreamID]horizon
	freeing  freeing
}

// horizon is where readers of a stream begin, as far as this Retain has moved it.
type horizon struct {
	at    time.Time // arrival
	moved time.Time
}

// expire proposes the trims that are due by age.
func (r *retaining) expire(ctx context.Context, now time.Time) {
	if err := r.l.endHold(ctx); err != nil {
		r.l.c.Log.Warn("clock's hold is not ended", "error", err)
	}
	if !r.l.clock.MayTrim() {
		return
	}
	stamp, filling := r.l.clock.Stamp().At, r.l.c.Ground.Tail().Bucket
	for _, s := range r.l.c.Catalog.Streams() {
		extents := r.l.c.Ground.Extents(s.ID)
		past := stamp.Add(-s.Retention)
		if !outlived(s, past) && (len(extents) == 0 || !extents[0].Oldest.Before(past)) {
			continue
		}
		pins := map[uint32]shardlog.Seq{}
		if len(extents) > 0 && extents[0].Newest.Before(past) {
			pins = r.l.pins(ctx, s.ID)
		}
		t := shardlog.Trim{At: stamp, Stream: s.ID, Horizon: past, Through: expired(extents, filling, past, pins)}
		h := r.horizons[s.ID]
		if t.Through > 0 || now.Sub(h.moved) >= horizonEvery && (hides(extents, h.at, past) || outlived(s, past)) {
			if r.trim(ctx, t) {
				r.horizons[s.ID] = horizon{past, now}
			}
		}
	}
}

// outlived reports whether a closed shard holds nothing any more and ended
// before the horizon: a trim makes it go.
func outlived(s shardlog.Stream, horizon time.Time) bool {
	return slices.ContainsFunc(s.Shards, func(sh shardlog.Shard) bool {
		return sh.Closed && sh.Kept == sh.Next && sh.Ended.Before(horizon)
	})
}

// expired is the last bucket that goes: it and all before it are older than
// the horizon, and no pin wants anything of them. The bucket being filled
// stays, as the store would have it.
func expired(extents []shardlog.Extent, filling uint32, horizon time.Time, pins map[uint32]shardlog.Seq) (through uint32) {
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

// hides reports whether records may lie between the horizons.
func hides(extents []shardlog.Extent, from, to time.Time) bool {
	for _, e := range extents {
		if e.Oldest.Before(to) && !e.Newest.Before(from) {
			return true
		}
	}
	return false
}

// pins are the first records that pinned cursors of a stream still want, by
// shard. A cursor that does not read pins everything of its shard: it may
// be somebody's.
func (l *Log) pins(ctx context.Context, id shardlog.StreamID) map[uint32]shardlog.Seq {
	pins := map[uint32]shardlog.Seq{}
	const streamPrefix = len("00000000/")
	prefix := shardlog.CursorKey(shardlog.ShardID{Stream: id}, "")[:streamPrefix]
	for key, value := range l.c.States.List(ctx, shardlog.Cursors, prefix) {
		shard, _, err := shardlog.ParseCursorKey(key)
		if err != nil {
			continue
		}
		c, err := shardlog.DecodeCursor(value)
		if err != nil {
			c = shardlog.Cursor{Pinned: true}
		}
		if least, seen := pins[shard.Number]; c.Pinned && (!seen || c.Next < least) {
			pins[shard.Number] = c.Next
		}
	}
	return pins
}

// weigh compares the disk with the budget, refuses writers or lets them in
// again, and makes room.
func (r *retaining) weigh(ctx context.Context, now time.Time) {
	usage, err := r.l.c.Ground.Usage()
	if err != nil {
		r.l.c.Log.Warn("disk usage is not known", "error", err)
		return
	}
	m := r.l.c.Budget.Marks(usage)
	r.l.mu.Lock()
	r.l.full, r.l.counts.Marks, r.l.fresh = m.Why(), m, 0
	r.l.mu.Unlock()
	excess := r.freeing.weighed(m.Used, m.excess(), now)
	if excess == 0 {
		return
	}
	var extents []shardlog.Extent
	for _, s := range r.l.c.Catalog.Streams() {
		extents = append(extents, r.l.c.Ground.Extents(s.ID)...)
	}
	trims, freed := victims(extents, r.l.c.Ground.Tail().Bucket, excess)
	if len(trims) > 0 {
		r.freeing.gaveUp(freed, now)
	}
	for _, t := range trims {
		t.At = r.l.clock.Stamp().At
		r.trim(ctx, t)
	}
}

// trim proposes a Trim.
func (r *retaining) trim(ctx context.Context, t shardlog.Trim) bool {
	out, err := r.l.c.Proposer.Propose(ctx, t)
	if err == nil {
		err = out.Err
	}
	if err != nil {
		if ctx.Err() == nil && shardlog.KindOf(err) != shardlog.NotFound {
			r.l.c.Log.Warn("trim failed", "stream", t.Stream, "error", err)
		}
		return false
	}
	for _, g := range out.Gaps {
		r.l.c.Log.Warn("records were given up", "stream", g.Stream, "shard", g.Shard, "first", g.First, "last", g.Last, "reason", g.Reason)
	}
	if len(out.Gaps) > 0 {
		r.copied, r.looked = time.Time{}, time.Time{}
		r.l.mu.Lock()
		r.l.counts.Gaps += uint64(len(out.Gaps))
		r.l.mu.Unlock()
	}
	return true
}

// copyGaps copies when there may be something to copy. What fails is tried
// again the next minute.
func (r *retaining) copyGaps(ctx context.Context, now time.Time) {
	if now.Sub(r.copied) < gapsEvery {
		return
	}
	if err := r.l.copyGaps(ctx); err != nil {
		if r.copied = (time.Time{}); ctx.Err() == nil {
			r.l.c.Log.Warn("gaps are not copied", "error", err)
		}
		return
	}
	r.copied = now
}
