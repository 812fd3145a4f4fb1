package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateStream makes a stream: of ShardCount shards, or of four when none is
// given. The stream is ACTIVE when the call returns.
//
// A gateway keeps the shards it was given, so that ON_DEMAND is taken to mean
// "choose the number for me". What this gateway cannot keep to (warm
// throughput, larger records) is refused and not silently dropped.
//
// ResourceInUseException: there is such a stream. LimitExceededException:
// too many shards. InvalidArgumentException, AccessDeniedException (_names).

func createStreamInput() []awsapi.Field {
	return []awsapi.Field{
		integer("ShardCount", awsapi.Least(1), awsapi.Most(100000)),
		required(streamName()),
		{Name: "StreamModeDetails", Type: awsapi.Structure, Fields: []awsapi.Field{
			text("StreamMode", awsapi.NotNull(), awsapi.OneOf("PROVISIONED", "ON_DEMAND")),
		}},
		newTags(),
		integer("MaxRecordSizeInKiB", awsapi.Least(1024), awsapi.Most(10240)),
		integer("WarmThroughputMiBps", awsapi.Least(0)),
		text("RecordDistributionStrategy", awsapi.OneOf("AUTO", "USER_PARTITION_KEY")),
	}
}

func (a *API) createStream(ctx context.Context, c *awsapi.Call) error {
	in := c.In
	name := shardlog.StreamName(in.Text("StreamName"))
	if err := changeable(name); err != nil {
		return err
	}
	if err := unkept(in); err != nil {
		return err
	}
	shards := in.Int("ShardCount", 0)
	switch mode := in.Inner("StreamModeDetails").Text("StreamMode"); {
	case mode == "ON_DEMAND" && shards > 0:
		return awsapi.Invalid("ShardCount must not be given for a stream in ON_DEMAND mode.")
	case mode == "PROVISIONED" && shards == 0:
		return awsapi.Invalid("ShardCount must be given for a stream in PROVISIONED mode.")
	}
	if shards > shardlog.MaxShardsByStream {
		return awsapi.Fail(limitExceeded, "A stream has at most %d shards, %d were requested for stream %s under account %s.",
			shardlog.MaxShardsByStream, shards, name, awsapi.Account)
	}
	labels, err := tags{}.with(in.Map("Tags"))
	if err != nil {
		return err
	}
	if err := a.control.CreateStream(ctx, shardlog.StreamSpec{Name: name, Shards: shards}); err != nil {
		return &about{name, err}
	}
	if len(labels) == 0 {
		return nil
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return noStream(name)
	}
	return a.set(ctx, stream, func(s *settings) error { s.Tags = labels; return nil })
}

// unkept refuses what was asked for and would not be done.
func unkept(in awsapi.Input) error {
	switch {
	case in.Int("MaxRecordSizeInKiB", 1024) != 1024:
		return awsapi.Fail(invalidArgument, "MaxRecordSizeInKiB is 1024 on this gateway.")
	case in.Int("WarmThroughputMiBps", 0) != 0:
		return awsapi.Fail(invalidArgument, "WarmThroughputMiBps is not offered by this gateway.")
	case in.Text("RecordDistributionStrategy") == "AUTO":
		return awsapi.Fail(invalidArgument, "RecordDistributionStrategy is USER_PARTITION_KEY on this gateway.")
	}
	return nil
}
