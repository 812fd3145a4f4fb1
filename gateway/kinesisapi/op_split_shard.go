package kinesisapi

import (
	"context"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// SplitShard closes a shard and opens two in its place, the second from
// NewStartingHashKey on. It has happened when the call returns, so that the
// stream is ACTIVE all the time.
//
// ResourceNotFoundException: no such stream or shard. InvalidArgumentException:
// the shard is closed, or the key leaves no room for both.
// LimitExceededException: too many shards.

func splitShardInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(text("ShardToSplit", nameRules()...)), required(text("NewStartingHashKey", awsapi.Pattern(`0|([1-9]\d{0,38})`))), streamARN()}
}

func (a *API) splitShard(ctx context.Context, c *awsapi.Call) error {
	stream, parent, err := a.findShard(c.In, "ShardToSplit")
	if err != nil {
		return err
	}
	if err := a.ownShards(ctx, stream); err != nil {
		return err
	}
	start, err := shardlog.ParseHash(c.In.Text("NewStartingHashKey"))
	if err != nil {
		return awsapi.Fail(invalidArgument, "Invalid NewStartingHashKey: %s", c.In.Text("NewStartingHashKey"))
	}
	switch err := a.control.SplitShard(ctx, parent.ID, start); {
	case err == nil:
		return nil
	case shardlog.KindOf(err) == shardlog.Moved:
		return notEligible(stream.Name, parent)
	case shardlog.KindOf(err) == shardlog.Invalid:
		return awsapi.Fail(invalidArgument, "NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus "+
			"the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.", start, shardName(parent.ID.Number), stream.Name, awsapi.Account, parent.From, parent.To)
	default:
		return &about{stream.Name, err}
	}
}

// findShard is the shard that a member of a request names, with its stream,
// which must be somebody's to change.
func (a *API) findShard(in awsapi.Input, member string) (shardlog.Stream, shardlog.Shard, error) {
	stream, err := a.find(in)
	if err != nil {
		return stream, shardlog.Shard{}, err
	}
	if err := changeable(stream.Name); err != nil {
		return stream, shardlog.Shard{}, err
	}
	name := strings.TrimSpace(in.Text(member))
	if number, ok := parseShard(name); ok {
		if shard, there := stream.Shard(number); there {
			if shard.Closed {
				return stream, shard, notEligible(stream.Name, shard)
			}
			return stream, shard, nil
		}
	}
	return stream, shardlog.Shard{}, awsapi.Fail(resourceNotFound, "Could not find shard %s in stream %s under account %s.", name, stream.Name, awsapi.Account)
}

func notEligible(stream shardlog.StreamName, shard shardlog.Shard) error {
	return awsapi.Fail(invalidArgument, "Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
		shardName(shard.ID.Number), stream, awsapi.Account)
}
