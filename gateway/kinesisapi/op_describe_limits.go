package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DescribeLimits tells how many shards are open, of how many.

func describeLimitsInput() []awsapi.Field { return nil }

// maxOnDemand is how many on-demand streams there may be.
const maxOnDemand = 50

func (a *API) describeLimits(ctx context.Context, c *awsapi.Call) error {
	open, channels := 0, 0
	for _, s := range a.catalog.Streams() {
		open += len(openShards(s))
		of, err := a.channelsOf(ctx, s.Name)
		if err != nil {
			return err
		}
		channels += len(of)
	}
	scaled, err := a.onDemandStreams(ctx)
	if err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Int("ShardLimit", shardlog.MaxShardsByStream)
	c.Out.Int("OpenShardCount", int64(open))
	c.Out.Int("OnDemandStreamCount", int64(scaled))
	c.Out.Int("OnDemandStreamCountLimit", maxOnDemand)
	c.Out.Int("ChannelCount", int64(channels))
	c.Out.Int("ChannelCountLimit", int64(2*len(a.catalog.Streams())))
	c.Out.Close()
	return nil
}

// onDemandStreams is how many streams the gateway scales.
func (a *API) onDemandStreams(ctx context.Context) (n int, err error) {
	for _, stream := range a.catalog.Streams() {
		s, err := a.settingsOf(ctx, stream.ID)
		if err != nil {
			return 0, &about{stream.Name, err}
		}
		if s.Mode == onDemand {
			n++
		}
	}
	return n, nil
}
