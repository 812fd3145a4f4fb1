package kinesisapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// EnableEnhancedMonitoring asks for shard-level metrics; ALL is all of them. From
// then on /metrics has them.
//
// ResourceNotFoundException.

// shardMetrics are the metrics there are.
func shardMetrics() []string {
	return []string{"IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded",
		"ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds"}
}

func enableEnhancedMonitoringInput() []awsapi.Field {
	return []awsapi.Field{streamName(), {Name: "ShardLevelMetrics", Type: awsapi.List, Rules: []awsapi.Rule{awsapi.NotNull()},
		Of: &awsapi.Field{Type: awsapi.String, Rules: []awsapi.Rule{awsapi.OneOf(append(shardMetrics(), "ALL")...)}}}, streamARN()}
}

func (a *API) enableEnhancedMonitoring(ctx context.Context, c *awsapi.Call) error {
	return a.monitor(ctx, c, func(now, named []string) []string {
		return slices.Compact(slices.Sorted(slices.Values(append(now, named...))))
	})
}

// monitor changes a stream's metrics and answers those before and after.
func (a *API) monitor(ctx context.Context, c *awsapi.Call, change func(now, named []string) []string) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	var named []string
	for _, one := range c.In.List("ShardLevelMetrics") {
		if text, _ := one.(string); text != "ALL" {
			named = append(named, text)
			continue
		}
		named = shardMetrics()
		break
	}
	var before, after []string
	err = a.set(ctx, stream, func(s *settings) error {
		before = s.Metrics
		after = change(slices.Clone(before), named)
		s.Metrics = after
		return nil
	})
	if err != nil {
		return err
	}
	out := &c.Out
	out.Open("")
	out.Text("StreamName", string(stream.Name))
	putMetrics(out, "CurrentShardLevelMetrics", before)
	putMetrics(out, "DesiredShardLevelMetrics", after)
	out.Text("StreamARN", arn(c.Caller.Region, stream.Name))
	out.Close()
	return nil
}

func putMetrics(out *awsapi.Reply, name string, metrics []string) {
	out.List(name)
	for _, m := range metrics {
		out.Text("", m)
	}
	out.EndList()
}
