package store

import (
	"encoding/json"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// trim gives up a stream's oldest buckets and moves its horizon. The bucket
// that is being filled stays: records may have come to it since the leader
// looked.
func (a *applying) trim(c shardlog.Trim) shardlog.Outcome {
	st := a.st.byID[c.Stream]
	if st == nil {
		return shardlog.Outcome{Err: shardlog.Errorf(shardlog.NotFound, "trim", "stream %d", c.Stream)}
	}
	n := 0
	for n < len(st.extents) && st.extents[n].Bucket <= c.Through && st.extents[n].Bucket < a.st.tail.Bucket {
		n++
	}
	var gaps []shardlog.Gap
	if c.Reason != "" {
		gaps = a.gapsOf(st, n, c)
	}
	if c.Horizon.After(st.horizon) {
		st.horizon = c.Horizon
	}
	ends := slices.Clone(st.extents[:n])
	a.dropExtents(st, n)
	st.Shards = slices.Clone(st.Shards)
	for i := range st.Shards {
		sh := &st.Shards[i]
		for _, e := range ends {
			sh.Kept = max(sh.Kept, e.end(sh.ID.Number))
		}
		sh.Oldest = max(sh.Oldest, sh.Kept)
		for _, e := range st.extents {
			if !e.Newest.Before(st.horizon) {
				break
			}
			sh.Oldest = max(sh.Oldest, e.end(sh.ID.Number))
		}
	}
	st.forget()
	a.st.dirty.streams[st.ID] = struct{}{}
	a.addGaps(gaps)
	a.flushNow()
	return shardlog.Outcome{Gaps: gaps}
}

// gapsOf is what readers or pins lose with the oldest n extents.
func (a *applying) gapsOf(st *stream, n int, c shardlog.Trim) []shardlog.Gap {
	var gaps []shardlog.Gap
	for _, sh := range st.Shards {
		lost := shardlog.Gap{Stream: st.Name, Shard: sh.ID, First: sh.Kept, Reason: c.Reason, At: c.At}
		claimed, from := false, sh.Kept
		pin := a.pin(sh.ID)
		for _, e := range st.extents[:n] {
			end := e.end(sh.ID.Number)
			if end <= from {
				continue
			}
			if !e.Newest.Before(st.horizon) || pin < end {
				claimed = true
			}
			records := uint64(end - from)
			lost.Records += records
			if e.Records > 0 {
				lost.Bytes += e.Bytes * records / e.Records
			}
			lost.Last, from = end-1, end
		}
		if claimed {
			gaps = append(gaps, lost)
		}
	}
	return gaps
}

// pin is the first record of a shard that a pinned cursor still wants; the
// largest number when none does.
func (a *applying) pin(shard shardlog.ShardID) shardlog.Seq {
	least := ^shardlog.Seq(0)
	for _, value := range a.s.list(shardlog.Cursors, shardlog.CursorKey(shard, "")) {
		if c, err := shardlog.DecodeCursor(value); err == nil && c.Pinned {
			least = min(least, c.Next)
		}
	}
	return least
}

func (a *applying) addGaps(gaps []shardlog.Gap) {
	for _, g := range gaps {
		key, value := gapKey(a.index, a.gaps), mustJSON(g)
		a.gaps++
		a.st.pending.ops = append(a.st.pending.ops, func(b *pebble.Batch) error { return b.Set(key, value, nil) })
		a.st.gaps++
	}
}

func parseGap(value []byte) (shardlog.Gap, error) {
	var g shardlog.Gap
	if err := json.Unmarshal(value, &g); err != nil {
		return g, shardlog.Errorf(shardlog.Corrupt, "read gap", "%w", err)
	}
	return g, nil
}
