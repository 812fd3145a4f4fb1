package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DescribeLimits tells how many shards are open, of how many.

func describeLimitsInput() []awsapi.Field { return nil }

func (a *API) describeLimits(_ context.Context, c *awsapi.Call) error {
	open := 0
	for _, s := range a.catalog.Streams() {
		open += len(openShards(s))
	}
	c.Out.Open("")
	c.Out.Int("ShardLimit", shardlog.MaxShardsByStream)
	c.Out.Int("OpenShardCount", int64(open))
	c.Out.Int("OnDemandStreamCount", 0)
	c.Out.Int("OnDemandStreamCountLimit", 0)
	c.Out.Close()
	return nil
}
