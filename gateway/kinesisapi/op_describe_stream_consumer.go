package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeStreamConsumer describes a consumer.
//
// ResourceNotFoundException, InvalidArgumentException.

func describeStreamConsumerInput() []awsapi.Field {
	return []awsapi.Field{streamARN(), consumerName(), consumerARNField()}
}

func (a *API) describeStreamConsumer(ctx context.Context, c *awsapi.Call) error {
	stream, one, err := a.findConsumer(ctx, c.In)
	if err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Open("ConsumerDescription")
	putConsumer(&c.Out, c.Caller.Region, stream.Name, one)
	c.Out.Text("StreamARN", arn(c.Caller.Region, stream.Name))
	c.Out.Close()
	c.Out.Close()
	return nil
}
