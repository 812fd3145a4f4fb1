package kinesisapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// UpdateShardCount divides the ring evenly among TargetShardCount shards, by
// splits and merges, so that short-lived shards stand in the lineage. It has
// happened when the call returns; when it fails on the way, the same call goes
// on where it stopped.
//
// InvalidArgumentException: the target is more than double or less than half
// of what is open now. LimitExceededException: too many shards, or the
// eleventh call in 24 hours.

// maxScalings is how often a stream's number of shards may be set in a day.
const maxScalings = 10

func updateShardCountInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(integer("TargetShardCount", awsapi.Least(1))),
		required(text("ScalingType", awsapi.OneOf("UNIFORM_SCALING"))), streamARN()}
}

func (a *API) updateShardCount(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	if err := changeable(stream.Name); err != nil {
		return err
	}
	if err := a.ownShards(ctx, stream); err != nil {
		return err
	}
	target, current := c.In.Int("TargetShardCount", 0), len(openShards(stream))
	switch {
	case target > 2*current:
		return awsapi.Fail(limitExceeded, "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: %d, Target shard count: %d", current, target)
	case 2*target < current:
		return awsapi.Fail(limitExceeded, "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: %d, Target shard count: %d", current, target)
	case target > shardlog.MaxShardsByStream:
		return awsapi.Fail(limitExceeded, "A stream has at most %d shards.", shardlog.MaxShardsByStream)
	}
	err = a.set(ctx, stream, func(s *settings) error {
		if !s.daily("UpdateShardCount", maxScalings, a.now()) {
			return overDaily("UpdateShardCount", maxScalings, stream.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.scale(ctx, stream.Name, target); err != nil {
		return &about{stream.Name, err}
	}
	c.Out.Open("")
	c.Out.Text("StreamName", string(stream.Name))
	c.Out.Int("CurrentShardCount", int64(current))
	c.Out.Int("TargetShardCount", int64(target))
	c.Out.Text("StreamARN", arn(c.Caller.Region, stream.Name))
	c.Out.Close()
	return nil
}

// openShards are the shards that take records, in the order of their ranges.
func openShards(s shardlog.Stream) []shardlog.Shard {
	open := slices.DeleteFunc(slices.Clone(s.Shards), func(s shardlog.Shard) bool { return s.Closed })
	slices.SortFunc(open, func(a, b shardlog.Shard) int {
		if a.From.Less(b.From) {
			return -1
		}
		return 1
	})
	return open
}

// scale brings a stream to n even shards: it splits at every border that is
// missing, and then merges what lies between two borders.
func (a *API) scale(ctx context.Context, name shardlog.StreamName, n int) error {
	for _, r := range keyspace.Even(n) {
		if err := a.border(ctx, name, r.From); err != nil {
			return err
		}
	}
	for _, r := range keyspace.Even(n) {
		for {
			stream, _ := a.catalog.Stream(name)
			inside := slices.DeleteFunc(openShards(stream), func(s shardlog.Shard) bool { return !r.Contains(s.From) })
			if len(inside) < 2 {
				break
			}
			if err := a.control.MergeShards(ctx, inside[0].ID, inside[1].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// border sees to it that an open shard begins at a hash.
func (a *API) border(ctx context.Context, name shardlog.StreamName, at shardlog.Hash) error {
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "scale", Stream: name}
	}
	open := openShards(stream)
	for i, s := range open {
		if s.From == at {
			return nil
		}
		if !(keyspace.Range{From: s.From, To: s.To}).Contains(at) {
			continue
		}
		err := a.control.SplitShard(ctx, s.ID, at)
		if err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			return err
		}
		// The border lies so near to the shard's own that no shard fits
		// between them: its neighbour joins it first.
		beside := i + 1
		if beside == len(open) || at != s.To {
			beside = i - 1
		}
		if beside < 0 {
			return err
		}
		if err := a.control.MergeShards(ctx, s.ID, open[beside].ID); err != nil {
			return err
		}
		return a.border(ctx, name, at)
	}
	return nil
}
