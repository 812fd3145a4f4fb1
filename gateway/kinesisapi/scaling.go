package kinesisapi

import (
	"context"
	"log/slog"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/capacity"
)

// Scaling scales on-demand streams. It observes and proposes: package capacity
// decides. It is never below four shards or a stream's warm throughput. Whoever
// begins to lead remembers nothing, and so merges late.
type Scaling struct {
	API    *API
	Loads  func(shardlog.Stream) []capacity.Load // of a stream since the last call
	Window time.Duration                         // zero: a minute
	Log    *slog.Logger
}

// Run scales until ctx ends. It is for the gateway that leads.
func (s *Scaling) Run(ctx context.Context) error {
	rules := capacity.Rules{Window: s.Window, Limits: s.API.rates.limits}
	tick := time.NewTicker(rules.Tick())
	defer tick.Stop()
	watches := map[shardlog.StreamID]*capacity.Watch{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		watches = s.look(ctx, rules, watches)
	}
}

// look looks once at every on-demand stream. It answers the watches to go on
// with: of streams that are gone, or are provisioned now, nothing is remembered.
func (s *Scaling) look(ctx context.Context, rules capacity.Rules, watches map[shardlog.StreamID]*capacity.Watch) map[shardlog.StreamID]*capacity.Watch {
	still := map[shardlog.StreamID]*capacity.Watch{}
	for _, stream := range s.API.catalog.Streams() {
		set, err := s.API.settingsOf(ctx, stream.ID)
		if err != nil {
			s.Log.Warn("on-demand scaling: settings cannot be read", "stream", stream.Name, "error", err)
		}
		if err != nil || set.Mode != onDemand {
			continue
		}
		w := watches[stream.ID]
		if w == nil {
			w = capacity.NewWatch(rules)
		}
		still[stream.ID] = w
		for _, c := range w.Look(time.Now(), stream, s.Loads(stream), max(leastOnDemand, set.Warm)) {
			s.take(ctx, stream.Name, c)
		}
	}
	return still
}

// take splits or merges. What does not work now is advised again.
func (s *Scaling) take(ctx context.Context, stream shardlog.StreamName, c capacity.Change) {
	var err error
	did := "split"
	if c.With == nil {
		err = s.API.control.SplitShard(ctx, c.Shard, c.Start)
	} else {
		did, err = "merged with "+shardName(c.With.Number), s.API.control.MergeShards(ctx, c.Shard, *c.With)
	}
	if err != nil {
		s.Log.Warn("on-demand scaling", "stream", stream, "shard", shardName(c.Shard.Number), "error", err)
		return
	}
	s.API.traffic.scalings.Add(1)
	s.Log.Info("on-demand scaling", "stream", stream, "shard", shardName(c.Shard.Number), "did", did, "load", c.Load)
}

// Mode is the mode of a stream's capacity by Kinesis's name, "" when it cannot
// be told now.
func (a *API) Mode(ctx context.Context, stream shardlog.StreamID) string {
	s, err := a.settingsOf(ctx, stream)
	if err != nil {
		return ""
	}
	return s.mode()
}

// LastScaled is when the newest shard took the place of others, and whether by
// a split or a merge; the zero time when all are the first ones. It reads it
// off the shards, so any gateway can tell.
func LastScaled(s shardlog.Stream) (at time.Time, did string) {
	n := len(s.Shards)
	if n == 0 || s.Shards[n-1].Parent == nil {
		return at, ""
	}
	parent, ok := s.Shard(*s.Shards[n-1].Parent)
	switch {
	case !ok:
		return at, "" // it has expired, and so have the news
	case s.Shards[n-1].Adjacent != nil:
		return parent.Ended, "merge"
	}
	return parent.Ended, "split"
}
