package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DecreaseStreamRetentionPeriod keeps records less long. Those that are older
// cannot be read from then on. The same period as now changes nothing.
//
// InvalidArgumentException: longer than now, less than a day.

func decreaseStreamRetentionPeriodInput() []awsapi.Field { return increaseStreamRetentionPeriodInput() }

func (a *API) decreaseStreamRetentionPeriod(ctx context.Context, c *awsapi.Call) error {
	return a.setRetention(ctx, c, func(now, wanted int) error {
		if wanted > now {
			return awsapi.Fail(invalidArgument, "Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). "+
				"Use IncreaseRetentionPeriod API.", wanted, c.In.Text("StreamName"), now)
		}
		return nil
	})
}
