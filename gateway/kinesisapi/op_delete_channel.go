package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DeleteChannel ends a channel. It is DELETING until the leader has done away
// with it.
//
// ResourceNotFoundException.

func deleteChannelInput() []awsapi.Field { return []awsapi.Field{channelARNField()} }

func (a *API) deleteChannel(ctx context.Context, c *awsapi.Call) error {
	found, err := a.channel(ctx, c.In)
	if err != nil {
		return err
	}
	return a.channels.DeleteChannel(ctx, found.Name)
}
