package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeStream describes a stream with its shards: at most 100 of them,
// those behind ExclusiveStartShardId.
//
// ResourceNotFoundException.

const maxDescribed = 100

func describeStreamInput() []awsapi.Field {
	return []awsapi.Field{limit("Limit"), text("ExclusiveStartShardId", nameRules()...), streamName(), streamARN()}
}

func (a *API) describeStream(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	shards := shardsAfter(stream.Shards, c.In.Text("ExclusiveStartShardId"))
	n := min(c.In.Int("Limit", maxDescribed), maxDescribed, len(shards))
	set, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	out := &c.Out
	out.Open("")
	out.Open("StreamDescription")
	putStream(out, c.Caller.Region, stream, set)
	putSettings(out, stream, set)
	putShards(out, shards[:n])
	out.Bool("HasMoreShards", n < len(shards))
	out.Close()
	out.Close()
	return nil
}
