package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DeregisterStreamConsumer forgets a consumer; its subscriptions end.
//
// ResourceNotFoundException, InvalidArgumentException.

func deregisterStreamConsumerInput() []awsapi.Field {
	return []awsapi.Field{streamARN(), consumerName(), consumerARNField()}
}

func (a *API) deregisterStreamConsumer(ctx context.Context, c *awsapi.Call) error {
	stream, one, err := a.findConsumer(ctx, c.In)
	if err != nil {
		return err
	}
	if err := a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: consumerKey(stream.ID, one.Name)}); err != nil {
		return &about{stream.Name, err}
	}
	a.subscriptions.end(stream.ID, one.Name)
	return nil
}
