package videoapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
)

// UpdateDataRetention makes a stream's retention so many hours longer or
// shorter.
//
// ResourceNotFoundException, VersionMismatchException,
// InvalidArgumentException.

const increase, decrease = "INCREASE_DATA_RETENTION", "DECREASE_DATA_RETENTION"

func updateRetentionInput() []awsapi.Field {
	return []awsapi.Field{
		version("CurrentVersion", awsapi.NotNull()), text("Operation", awsapi.NotNull(), awsapi.OneOf(increase, decrease)),
		integer("DataRetentionChangeInHours", awsapi.NotNull(), awsapi.Least(1)), streamName(), streamARN(),
	}
}

func (a *API) updateRetention(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	if err := checkVersion(c.In, s); err != nil {
		return err
	}
	by := c.In.Int("DataRetentionChangeInHours", 0)
	if c.In.Text("Operation") == decrease {
		by = -by
	}
	hours := int(s.Retention/time.Hour) + by
	if err := checkHours(hours); err != nil {
		return err
	}
	return a.config.Control.SetRetention(ctx, s.Name, time.Duration(hours)*time.Hour)
}
