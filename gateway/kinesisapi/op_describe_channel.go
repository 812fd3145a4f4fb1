package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeChannel describes a channel as it was asked for.
//
// ResourceNotFoundException.

func describeChannelInput() []awsapi.Field { return []awsapi.Field{channelARNField()} }

func (a *API) describeChannel(ctx context.Context, c *awsapi.Call) error {
	found, err := a.channel(ctx, c.In)
	if err != nil {
		return err
	}
	c.Out.Open("")
	if err := a.putChannel(&c.Out, c.Caller.Region, found); err != nil {
		return err
	}
	c.Out.Close()
	return nil
}
