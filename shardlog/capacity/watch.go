package capacity

import (
	"slices"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// Watch is the memory of one stream's loads. It is not safe for concurrent use.
type Watch struct {
	rules  Rules
	shards map[uint32]*history // open ones
	last   time.Time           // the latest look
	peak   peak                // of the whole stream, in shards
}

// NewWatch begins to watch a stream.
func NewWatch(r Rules) *Watch { return &Watch{rules: r.filled(), shards: map[uint32]*history{}} }

// Look takes in what the shards of the stream took since the last look and
// answers what is to be done: splits of the shards that are too busy, or if
// there are none, merges of idle neighbours, but never below least shards. Its
// answer is advice: what was not done is advised again.
func (w *Watch) Look(now time.Time, stream shardlog.Stream, loads []Load, least int) []Change {
	if w.rules.Limits.Off {
		return nil
	}
	open := arcs(stream)
	w.keep(open, now)
	w.note(open, now, loads)
	w.last = now
	if splits := w.splits(open, now); len(splits) > 0 {
		return splits
	}
	return w.merges(open, now, least)
}

// arc is an open shard with what is known of it.
type arc struct {
	shardlog.Shard
	*history
	share float64 // over the last window
}

// arcs are the open shards in the order of their ranges.
func arcs(s shardlog.Stream) (open []arc) {
	for _, one := range s.Shards {
		if !one.Closed {
			open = append(open, arc{Shard: one})
		}
	}
	slices.SortFunc(open, func(a, b arc) int {
		if a.From.Less(b.From) {
			return -1
		}
		return 1
	})
	return open
}

// keep begins the histories of shards that are new and drops those of closed
// ones. What two merged shards were remembered for, their child is.
func (w *Watch) keep(open []arc, now time.Time) {
	all := make(map[uint32]*history, len(open))
	for i := range open {
		number := open[i].ID.Number
		h := w.shards[number]
		if h == nil {
			h = &history{born: now, seen: now}
			if a := open[i]; a.Parent != nil && a.Adjacent != nil {
				h.inherit(w.shards[*a.Parent], w.shards[*a.Adjacent], now)
			}
		}
		all[number], open[i].history = h, h
	}
	w.shards = all
}

// note takes the loads in. What a shard took before it was first seen here has
// no known time and is left out.
func (w *Watch) note(open []arc, now time.Time, loads []Load) {
	byShard := make(map[uint32]Load, len(loads))
	for _, l := range loads {
		byShard[l.Shard] = l
	}
	whole := 0.0
	for i := range open {
		a := &open[i]
		if a.seen.Equal(now) {
			continue
		}
		l := byShard[a.ID.Number]
		a.share = a.history.note(look{now, now.Sub(w.last), w.rules.share(l.Records, l.Bytes), w.rules.weigh(l)}, w.rules)
		whole += a.share
	}
	w.peak.note(now, whole, w.rules.Memory)
}

// splits are those of the shards that have been busy for a window. Each of
// their halves is watched as long before it can be split again: in one window
// a stream at most doubles, and what grows faster is throttled meanwhile.
func (w *Watch) splits(open []arc, now time.Time) (all []Change) {
	for _, a := range open {
		if len(open)+len(all) >= w.rules.Most {
			break
		}
		if a.share <= hot || now.Sub(a.seen) < w.rules.Window {
			continue
		}
		if start, ok := divide(keyspace.Range{From: a.From, To: a.To}, a.looks); ok {
			all = append(all, Change{Shard: a.ID, Start: start, Load: a.share})
		}
	}
	return all
}

// merges are pairs of neighbours that were idle for the whole memory: halves of
// what was split in the middle, so that a ring that was even becomes even
// again, or when there are none the narrowest pair. No shard becomes wider than
// its part of an even ring while there is any load, or quiet parts would pay
// for busy ones and be too few when the load moves.
func (w *Watch) merges(open []arc, now time.Time, least int) (all []Change) {
	spare := len(open) - max(least, needed(w.peak.highest()))
	used := make([]bool, len(open))
	borders := map[shardlog.Hash]bool{} // of an even ring: what was even becomes even again
	for _, part := range keyspace.Even(max(least, 1)) {
		borders[part.From] = true
	}
	widest := shardlog.MaxHash()
	if w.peak.highest() >= quiet {
		widest = keyspace.Even(max(least, 1))[0].To
	}
	for spare > len(all) {
		best := -1
		for i := 0; i+1 < len(open); i++ {
			if !used[i] && !used[i+1] && !borders[open[i+1].From] && w.idle(open[i], now) && w.idle(open[i+1], now) && together(open, i) < quiet &&
				!widest.Less(width(open, i)) && (best < 0 || better(open, i, best)) {
				best = i
			}
		}
		if best < 0 || len(all) > 0 && !halves(open, best) {
			break
		}
		used[best], used[best+1] = true, true
		all = append(all, Change{Shard: open[best].ID, With: &open[best+1].ID, Load: together(open, best)})
	}
	return all
}

func (w *Watch) idle(a arc, now time.Time) bool { return now.Sub(a.born) >= w.rules.Memory }

// together is the most that a shard and the next one can have taken at once.
func together(open []arc, i int) float64 { return open[i].peak.highest() + open[i+1].peak.highest() }

// width is how much of the ring a shard and the next one have, less one place.
func width(open []arc, i int) shardlog.Hash { return less(open[i+1].To, open[i].From) }

// better reports whether to merge the pair at i rather than that at j.
func better(open []arc, i, j int) bool {
	if a, b := halves(open, i), halves(open, j); a != b {
		return a
	}
	return width(open, i).Less(width(open, j))
}

// halves reports whether a pair covers 2^k places from a multiple of 2^k on.
func halves(open []arc, i int) bool {
	d, from := width(open, i), open[i].From
	next := d.Next()
	return d.Hi&next.Hi == 0 && d.Lo&next.Lo == 0 && from.Hi&d.Hi == 0 && from.Lo&d.Lo == 0
}

// needed is how many shards take room times the load.
func needed(load float64) int {
	n := int(load * room)
	if float64(n) < load*room {
		n++
	}
	return n
}
