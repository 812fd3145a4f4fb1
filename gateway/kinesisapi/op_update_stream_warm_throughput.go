package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateStreamWarmThroughput says how much an on-demand stream is to be ready
// for at once, 1 MiB/s a shard. It gets the shards before the call returns; it
// gives them back when it is quiet.
//
// ValidationException: the stream is provisioned, or the account has no
// commitment. LimitExceededException, ResourceNotFoundException.

func updateStreamWarmThroughputInput() []awsapi.Field {
	return []awsapi.Field{streamName(), required(warmThroughput()), streamARN()}
}

func (a *API) updateStreamWarmThroughput(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	s, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	warm := c.In.Int("WarmThroughputMiBps", 0)
	if s.Mode != onDemand {
		return awsapi.Invalid("Request is invalid. Stream %s under account %s is not in On-Demand mode.", stream.Name, awsapi.Account)
	}
	if err := a.checkWarm(ctx, s.Mode, warm); err != nil {
		return err
	}
	if err := a.set(ctx, stream, func(now *settings) error { now.Warm = warm; s = *now; return nil }); err != nil {
		return err
	}
	if err := a.warmUp(ctx, stream, warm); err != nil {
		return err
	}
	stream, _ = a.catalog.Stream(stream.Name)
	c.Out.Open("")
	c.Out.Text("StreamARN", arn(c.Caller.Region, stream.Name))
	c.Out.Text("StreamName", string(stream.Name))
	putWarm(&c.Out, stream, s)
	c.Out.Close()
	return nil
}
