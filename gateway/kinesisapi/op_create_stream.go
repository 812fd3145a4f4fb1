package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateStream makes a stream: provisioned with ShardCount shards, or on-demand
// when none is given. The stream is ACTIVE when the call returns.
//
// ResourceInUseException: there is such a stream. LimitExceededException:
// too many shards. InvalidArgumentException, AccessDeniedException (_names).

func createStreamInput() []awsapi.Field {
	return []awsapi.Field{
		integer("ShardCount", awsapi.Least(1), awsapi.Most(100000)),
		required(streamName()),
		streamMode(),
		newTags(),
		recordSize(),
		warmThroughput(),
		strategy(),
	}
}

func (a *API) createStream(ctx context.Context, c *awsapi.Call) error {
	in := c.In
	name := shardlog.StreamName(in.Text("StreamName"))
	if err := changeable(name); err != nil {
		return err
	}
	spec := shardlog.StreamSpec{Name: name, Shards: in.Int("ShardCount", 0), RecordKiB: in.Int("MaxRecordSizeInKiB", 0)}
	var set settings
	var err error
	if set.Tags, err = (tags{}).with(in.Map("Tags")); err != nil {
		return err
	}
	if err := a.capacity(ctx, in, &spec, &set); err != nil {
		return err
	}
	if err := a.control.CreateStream(ctx, spec); err != nil {
		return &about{name, err}
	}
	if len(set.Tags) == 0 && set.Mode == "" {
		return nil
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return noStream(name)
	}
	return a.set(ctx, stream, func(s *settings) error { *s = set; return nil })
}

// capacity reads what a new stream is to take, and checks that it can be had.
func (a *API) capacity(ctx context.Context, in awsapi.Input, spec *shardlog.StreamSpec, set *settings) error {
	mode := in.Inner("StreamModeDetails").Text("StreamMode")
	set.Warm, set.Auto = in.Int("WarmThroughputMiBps", 0), in.Text("RecordDistributionStrategy") == auto
	switch {
	case mode == onDemand && spec.Shards > 0:
		return awsapi.Invalid("ShardCount must not be given for a stream in ON_DEMAND mode.")
	case mode == provisioned && spec.Shards == 0:
		return awsapi.Invalid("ShardCount must be given for a stream in PROVISIONED mode.")
	case spec.Shards > shardlog.MaxShardsByStream:
		return awsapi.Fail(limitExceeded, "A stream has at most %d shards, %d were requested for stream %s under account %s.",
			shardlog.MaxShardsByStream, spec.Shards, spec.Name, awsapi.Account)
	case spec.Shards == 0:
		set.Mode, spec.Shards = onDemand, max(leastOnDemand, set.Warm)
	}
	if err := a.checkWarm(ctx, set.Mode, set.Warm); err != nil {
		return err
	}
	if set.Mode == onDemand {
		if n, err := a.onDemandStreams(ctx); err != nil || n >= maxOnDemand {
			if err == nil {
				err = awsapi.Fail(limitExceeded, "There are %d on-demand streams under account %s, which is the most there may be.", n, awsapi.Account)
			}
			return err
		}
	}
	return set.checkAuto()
}
