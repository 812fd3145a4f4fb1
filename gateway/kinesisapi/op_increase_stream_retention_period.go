package kinesisapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// IncreaseStreamRetentionPeriod keeps records longer. What has expired already
// does not come back. The same period as now changes nothing.
//
// InvalidArgumentException: shorter than now, less than a day, more than a year.

func increaseStreamRetentionPeriodInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(integer("RetentionPeriodHours")), streamARN()}
}

func (a *API) increaseStreamRetentionPeriod(ctx context.Context, c *awsapi.Call) error {
	return a.setRetention(ctx, c, func(now, wanted int) error {
		if wanted < now {
			return awsapi.Fail(invalidArgument, "Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). "+
				"Use DecreaseRetentionPeriod API.", wanted, c.In.Text("StreamName"), now)
		}
		return nil
	})
}

// setRetention changes a stream's retention if allowed says nothing against it.
func (a *API) setRetention(ctx context.Context, c *awsapi.Call, allowed func(now, wanted int) error) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	const least, most = int(shardlog.DefaultRetention / time.Hour), int(shardlog.MaxRetention / time.Hour)
	wanted, now := c.In.Int("RetentionPeriodHours", 0), int(stream.Retention/time.Hour)
	switch {
	case wanted < least:
		return awsapi.Fail(invalidArgument, "Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", least, wanted)
	case wanted > most:
		return awsapi.Fail(invalidArgument, "Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.", most, wanted)
	}
	if err := allowed(now, wanted); err != nil || wanted == now {
		return err
	}
	if err := a.control.SetRetention(ctx, stream.Name, time.Duration(wanted)*time.Hour); err != nil {
		return &about{stream.Name, err}
	}
	return nil
}
