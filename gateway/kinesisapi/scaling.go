package kinesisapi

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"headgate/shardlog"
)

// Load is what a shard has taken since some moment.
type Load struct {
	Records, Bytes uint64
	Hashes         []shardlog.Hash // where some of it lay
}

// Scaling scales on-demand streams: a shard that takes more than half of its
// limit throughout a window is split where half of its records lie on each
// side, and neighbours that together take less than an eighth for
// quietWindows are merged. A stream doubles in a window at most, and is never
// below four shards or its warm throughput. One key never needs more than one
// shard: where all records lie in one place nothing is split.
type Scaling struct {
	API    *API
	Loads  func() map[shardlog.ShardID]Load
	Window time.Duration // zero: a minute
	Log    *slog.Logger

	before map[shardlog.ShardID]Load // owned by Run
	quiet  map[shardlog.StreamID]int // windows without a split
}

const (
	scaleWindow  = time.Minute
	quietWindows = 5
)

// Run scales until ctx ends. It is for the gateway that leads.
func (s *Scaling) Run(ctx context.Context) error {
	window := s.Window
	if window <= 0 {
		window = scaleWindow
	}
	s.before, s.quiet = nil, map[shardlog.StreamID]int{}
	for tick := time.NewTicker(window); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
			s.look(ctx, window)
		}
	}
}

// look is what happens at the end of a window.
func (s *Scaling) look(ctx context.Context, window time.Duration) {
	now := s.Loads()
	rates := map[shardlog.ShardID]shardRate{}
	for id, load := range now {
		was := s.before[id]
		if s.before == nil || load.Records < was.Records {
			continue
		}
		rates[id] = s.API.rateOf(load, was, window)
	}
	first := s.before == nil
	s.before = maps.Clone(now)
	if first {
		return
	}
	for _, stream := range s.API.catalog.Streams() {
		set, err := s.API.settingsOf(ctx, stream.ID)
		if err != nil || set.Mode != onDemand {
			continue
		}
		s.quiet[stream.ID]++
		for _, step := range scale(openShards(stream), rates, max(leastOnDemand, set.Warm), s.quiet[stream.ID] >= quietWindows) {
			s.take(ctx, stream, step)
		}
	}
}

// take splits or merges. What does not work now is looked at anew after a window.
func (s *Scaling) take(ctx context.Context, stream shardlog.Stream, step scaleStep) {
	var err error
	did := "merged"
	if step.split != nil {
		did, err = "split", s.API.control.SplitShard(ctx, step.shard, *step.split)
	} else {
		err = s.API.control.MergeShards(ctx, step.shard, step.beside)
	}
	s.quiet[stream.ID] = 0
	if err != nil {
		s.Log.Warn("on-demand scaling", "stream", stream.Name, "shard", shardName(step.shard.Number), "error", err)
		return
	}
	s.API.traffic.scalings.Add(1)
	s.Log.Info("on-demand scaling", "stream", stream.Name, "shard", shardName(step.shard.Number), "did", did)
}

// shardRate is how much of a shard's limit was used, 1 for all of it.
type shardRate struct {
	used   float64
	hashes []shardlog.Hash
}

func (a *API) rateOf(now, was Load, window time.Duration) shardRate {
	limit := func(set, usual int) float64 { return float64(cmp.Or(set, usual)) }
	seconds := window.Seconds()
	records := float64(now.Records-was.Records) / seconds / limit(a.rates.limits.RecordsIn, shardlog.ShardRecordsIn)
	bytes := float64(now.Bytes-was.Bytes) / seconds / limit(a.rates.limits.BytesIn, shardlog.ShardBytesIn)
	return shardRate{max(records, bytes), now.Hashes}
}

// scaleStep splits a shard, or merges it with the one beside it.
type scaleStep struct {
	shard, beside shardlog.ShardID
	split         *shardlog.Hash // nil: merge
}

// scale says what to do about a stream whose open shards, in the order of
// their ranges, were used so: splits, or else one merge when it has been quiet.
func scale(open []shardlog.Shard, rates map[shardlog.ShardID]shardRate, least int, quiet bool) (steps []scaleStep) {
	const busy, idle = 0.5, 0.125
	for _, s := range open {
		if rates[s.ID].used <= busy || len(open)+len(steps) >= shardlog.MaxShardsByStream {
			continue
		}
		if at, ok := middleOf(rates[s.ID].hashes, s); ok {
			steps = append(steps, scaleStep{shard: s.ID, split: &at})
		}
	}
	if len(steps) > 0 || !quiet || len(open) <= least {
		return steps
	}
	best, lowest := -1, idle
	for i := 1; i < len(open); i++ {
		if sum := rates[open[i-1].ID].used + rates[open[i].ID].used; sum < lowest {
			best, lowest = i, sum
		}
	}
	if best < 0 {
		return nil
	}
	return []scaleStep{{shard: open[best-1].ID, beside: open[best].ID}}
}

// middleOf is where a shard is split so that about half of its records lie on
// each side; false when nearly all of them lie in one place.
func middleOf(hashes []shardlog.Hash, s shardlog.Shard) (shardlog.Hash, bool) {
	inside := slices.DeleteFunc(slices.Clone(hashes), func(h shardlog.Hash) bool { return h.Less(s.From) || s.To.Less(h) })
	slices.SortFunc(inside, func(a, b shardlog.Hash) int {
		switch {
		case a.Less(b):
			return -1
		case b.Less(a):
			return 1
		}
		return 0
	})
	best, off := -1, len(inside)
	for i := 1; i < len(inside); i++ { // the border nearest to the middle, between two different places
		if d := max(i, len(inside)-i) - len(inside)/2; inside[i-1] != inside[i] && d < off {
			best, off = i, d
		}
	}
	if best < 0 || min(best, len(inside)-best)*5 < len(inside) {
		return shardlog.Hash{}, false
	}
	return inside[best], true
}
