package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateStreamMode switches a stream between provisioned and on-demand
// capacity. It keeps its shards; with WarmThroughputMiBps it gets what that needs.
//
// LimitExceededException: two switches in 24 hours. ValidationException,
// ResourceNotFoundException, AccessDeniedException (_names).

func updateStreamModeInput() []awsapi.Field {
	return []awsapi.Field{required(streamARN()), required(streamMode()), warmThroughput()}
}

func (a *API) updateStreamMode(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	mode, warm := c.In.Inner("StreamModeDetails").Text("StreamMode"), c.In.Int("WarmThroughputMiBps", 0)
	if err := a.checkWarm(ctx, mode, warm); err != nil {
		return err
	}
	err = a.set(ctx, stream, func(s *settings) error {
		if s.mode() != mode && !s.daily("UpdateStreamMode", maxSwitches, a.now()) {
			return overDaily("UpdateStreamMode", maxSwitches, stream.Name)
		}
		s.Mode, s.Warm = mode, warm
		if mode == provisioned {
			s.Auto = false
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.warmUp(ctx, stream, warm)
}
