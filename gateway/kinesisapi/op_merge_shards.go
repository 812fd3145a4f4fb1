package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// MergeShards closes two shards whose ranges touch and opens one in their
// place. It has happened when the call returns.
//
// ResourceNotFoundException: no such stream or shard. InvalidArgumentException:
// one of them is closed, or they do not touch.

func mergeShardsInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(text("ShardToMerge", nameRules()...)), required(text("AdjacentShardToMerge", nameRules()...)), streamARN()}
}

func (a *API) mergeShards(ctx context.Context, c *awsapi.Call) error {
	stream, shard, err := a.findShard(c.In, "ShardToMerge")
	if err != nil {
		return err
	}
	if err := a.ownShards(ctx, stream); err != nil {
		return err
	}
	_, adjacent, err := a.findShard(c.In, "AdjacentShardToMerge")
	if err != nil {
		return err
	}
	switch err := a.control.MergeShards(ctx, shard.ID, adjacent.ID); {
	case err == nil:
		return nil
	case shardlog.KindOf(err) == shardlog.Moved:
		return notEligible(stream.Name, shard)
	case shardlog.KindOf(err) == shardlog.Invalid:
		return awsapi.Fail(invalidArgument, "Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			shardName(shard.ID.Number), shardName(adjacent.ID.Number), stream.Name, awsapi.Account)
	default:
		return &about{stream.Name, err}
	}
}
