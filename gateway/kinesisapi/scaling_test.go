package kinesisapi

import (
	"math/rand/v2"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// evenly is n open shards.
func evenly(n int) (all []shardlog.Shard) {
	for i, r := range keyspace.Even(n) {
		all = append(all, shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: uint32(i)}, From: r.From, To: r.To})
	}
	return all
}

// within are places of a shard.
func within(s shardlog.Shard, n int) (all []shardlog.Hash) {
	for len(all) < n {
		if h := (shardlog.Hash{Hi: rand.Uint64(), Lo: rand.Uint64()}); !h.Less(s.From) && !s.To.Less(h) {
			all = append(all, h)
		}
	}
	return all
}

func TestScale(t *testing.T) {
	open := evenly(6)
	rates := func(used ...float64) map[shardlog.ShardID]shardRate {
		all := map[shardlog.ShardID]shardRate{}
		for i, u := range used {
			all[open[i].ID] = shardRate{u, within(open[i], 40)}
		}
		return all
	}
	hot := rates(1)
	hot[open[0].ID] = shardRate{1, make([]shardlog.Hash, 40)} // all in one place
	for name, c := range map[string]struct {
		rates         map[shardlog.ShardID]shardRate
		least         int
		quiet         bool
		splits, merge int // merge: the first of the pair, -1 for none
	}{
		"busy":               {rates(0.6, 0.2, 0.51), 4, true, 2, -1},
		"half is not busy":   {rates(0.5, 0.5, 0.5, 0.5, 0.5, 0.5), 4, true, 0, -1},
		"one key":            {hot, 4, false, 0, -1},
		"idle":               {rates(0.1, 0.1, 0, 0.02, 0.1, 0.2), 4, true, 0, 2},
		"idle, but not long": {rates(), 4, false, 0, -1},
		"never below":        {rates(), 6, true, 0, -1},
		"nothing at all":     {rates(), 4, true, 0, 0},
	} {
		steps := scale(open, c.rates, c.least, c.quiet)
		splits, merge := 0, -1
		for _, s := range steps {
			if s.split == nil {
				merge = int(s.shard.Number)
				continue
			}
			splits++
			shard := open[s.shard.Number]
			if !shard.From.Less(*s.split) || shard.To.Less(*s.split) {
				t.Errorf("%s: %v is split at %v", name, shard, *s.split)
			}
		}
		if splits != c.splits || merge != c.merge {
			t.Errorf("%s: %+v", name, steps)
		}
	}
}
