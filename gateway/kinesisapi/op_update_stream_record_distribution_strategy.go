package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateStreamRecordDistributionStrategy says whether the keys of records
// choose their shards, or, with AUTO, all open shards take turns.
//
// InvalidArgumentException: AUTO is for on-demand streams.
// ResourceNotFoundException, AccessDeniedException (_names).

// The strategies.
const (
	auto             = "AUTO"
	userPartitionKey = "USER_PARTITION_KEY"
)

func strategy() awsapi.Field {
	return text("RecordDistributionStrategy", awsapi.OneOf(auto, userPartitionKey))
}

func updateStreamRecordDistributionStrategyInput() []awsapi.Field {
	return []awsapi.Field{required(streamARN()), required(strategy())}
}

func (a *API) updateStreamRecordDistributionStrategy(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	return a.set(ctx, stream, func(s *settings) error {
		s.Auto = c.In.Text("RecordDistributionStrategy") == auto
		return s.checkAuto()
	})
}

func (s *settings) checkAuto() error {
	if s.Auto && s.Mode != onDemand {
		return awsapi.Fail(invalidArgument, "RecordDistributionStrategy AUTO is for streams in ON_DEMAND mode.")
	}
	return nil
}

func putStrategy(out *awsapi.Reply, s settings) {
	if s.Auto {
		out.Text("RecordDistributionStrategy", auto)
		return
	}
	out.Text("RecordDistributionStrategy", userPartitionKey)
}
