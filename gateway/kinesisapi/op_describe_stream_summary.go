package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeStreamSummary describes a stream without its shards.
//
// ResourceNotFoundException.

func describeStreamSummaryInput() []awsapi.Field {
	return []awsapi.Field{streamName(), streamARN()}
}

func (a *API) describeStreamSummary(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	channels, err := a.channelsOf(ctx, stream.Name)
	if err != nil {
		return err
	}
	open := 0
	for i := range stream.Shards {
		if !stream.Shards[i].Closed {
			open++
		}
	}
	set, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	out := &c.Out
	out.Open("")
	out.Open("StreamDescriptionSummary")
	putStream(out, c.Caller.Region, stream, set)
	putSettings(out, stream, set)
	out.Int("OpenShardCount", int64(open))
	out.Int("ConsumerCount", int64(len(a.consumersOf(ctx, stream.ID))))
	out.Int("ChannelCount", int64(len(channels)))
	out.Int("MaxRecordSizeInKiB", int64(stream.LargestRecord()>>10))
	if set.Mode == onDemand {
		putWarm(out, stream, set)
		putStrategy(out, set)
	}
	out.Close()
	out.Close()
	return nil
}
