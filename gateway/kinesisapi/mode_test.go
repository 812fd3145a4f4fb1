package kinesisapi_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// scaled is a house with an on-demand stream "s".
func scaled(t *testing.T) (*house, *kinesis.Client, *string) {
	h := open(t, quota.Limits{Off: true})
	c := h.client(once)
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	return h, c, aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s")
}

func summary(t *testing.T, c *kinesis.Client) *types.StreamDescriptionSummary {
	t.Helper()
	return must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")})).StreamDescriptionSummary
}

func become(ctx context.Context, c *kinesis.Client, arn *string, mode types.StreamMode) error {
	_, err := c.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{StreamARN: arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: mode}})
	return err
}

// TestModes: a name alone makes an on-demand stream of four shards, which are
// nobody's to split; two switches a day.
func TestModes(t *testing.T) {
	h, c, arn := scaled(t)
	ctx, s := t.Context(), aws.String("s")
	if d := summary(t, c); d.StreamModeDetails.StreamMode != types.StreamModeOnDemand || *d.OpenShardCount != 4 || *d.WarmThroughput.CurrentMiBps != 4 ||
		d.RecordDistributionStrategy != types.RecordDistributionStrategyUserPartitionKey {
		t.Errorf("%+v", d)
	}
	const refused = "Request is invalid. Stream s under account 000000000000 is in On-Demand mode."
	_, split := c.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: s, ShardToSplit: aws.String("0"), NewStartingHashKey: aws.String("100")})
	_, merge := c.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: s, ShardToMerge: aws.String("0"), AdjacentShardToMerge: aws.String("1")})
	_, count := c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: s, TargetShardCount: aws.Int32(8), ScalingType: types.ScalingTypeUniformScaling})
	for _, err := range []error{split, merge, count} {
		wantError(t, err, "ValidationException", refused)
	}
	for _, mode := range []types.StreamMode{types.StreamModeProvisioned, types.StreamModeProvisioned, types.StreamModeOnDemand} {
		if err := become(ctx, c, arn, mode); err != nil {
			t.Fatal(err)
		}
	}
	listed := must[*kinesis.ListStreamsOutput](t)(c.ListStreams(ctx, &kinesis.ListStreamsInput{})).StreamSummaries
	if len(listed) != 1 || listed[0].StreamModeDetails.StreamMode != types.StreamModeOnDemand {
		t.Errorf("%+v", listed)
	}
	wantError(t, become(ctx, c, arn, types.StreamModeProvisioned), "LimitExceededException", "")
	h.clock.advance(25 * time.Hour)
	if err := become(ctx, c, arn, types.StreamModeProvisioned); err != nil {
		t.Errorf("a day later: %v", err)
	}
	if l := must[*kinesis.DescribeLimitsOutput](t)(c.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{})); *l.OnDemandStreamCount != 0 || *l.OnDemandStreamCountLimit != 50 {
		t.Errorf("%+v", l)
	}
}

// TestWarmThroughput: with the account's commitment a stream gets its shards at
// once; a commitment lasts a day.
func TestWarmThroughput(t *testing.T) {
	h, c, arn := scaled(t)
	ctx := t.Context()
	commit := func(status types.MinimumThroughputBillingCommitmentInputStatus) types.MinimumThroughputBillingCommitmentOutputStatus {
		out := must[*kinesis.UpdateAccountSettingsOutput](t)(c.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{
			MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status}}))
		return out.MinimumThroughputBillingCommitment.Status
	}
	warm := func() (*kinesis.UpdateStreamWarmThroughputOutput, error) {
		return c.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{StreamARN: arn, WarmThroughputMiBps: aws.Int32(6)})
	}
	_, err := warm()
	wantError(t, err, "ValidationException", "")
	if got := commit("ENABLED"); got != "ENABLED" {
		t.Errorf("%s", got)
	}
	out := must[*kinesis.UpdateStreamWarmThroughputOutput](t)(warm())
	if *out.WarmThroughput.CurrentMiBps != 6 || *out.WarmThroughput.TargetMiBps != 6 || *summary(t, c).OpenShardCount != 6 {
		t.Errorf("%+v", out.WarmThroughput)
	}
	if got := commit("DISABLED"); got != "ENABLED_UNTIL_EARLIEST_ALLOWED_END" {
		t.Errorf("%s", got)
	}
	h.clock.advance(25 * time.Hour)
	d := must[*kinesis.DescribeAccountSettingsOutput](t)(c.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{})).MinimumThroughputBillingCommitment
	if d.Status != "DISABLED" || d.EndedAt == nil || d.StartedAt == nil {
		t.Errorf("%+v", d)
	}
}

// TestAutoDistribution: keys are optional and choose nothing, all shards get
// as much, and a key comes back if it was given.
func TestAutoDistribution(t *testing.T) {
	_, c, arn := scaled(t)
	ctx := t.Context()
	use := func(s types.RecordDistributionStrategy) error {
		_, err := c.UpdateStreamRecordDistributionStrategy(ctx, &kinesis.UpdateStreamRecordDistributionStrategyInput{StreamARN: arn, RecordDistributionStrategy: s})
		return err
	}
	_, err := c.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: arn, Data: []byte("x")})
	wantError(t, err, "ValidationException", "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null")
	if err := use(types.RecordDistributionStrategyAuto); err != nil {
		t.Fatal(err)
	}
	in, got := map[string]int{}, map[string]int{}
	for range 10 {
		batch := make([]types.PutRecordsRequestEntry, 8)
		for i := range batch {
			batch[i] = types.PutRecordsRequestEntry{Data: []byte("x")}
			if i%2 == 0 {
				batch[i].PartitionKey, batch[i].ExplicitHashKey = aws.String("same"), aws.String("0")
			}
		}
		for _, r := range must[*kinesis.PutRecordsOutput](t)(c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamARN: arn, Records: batch})).Records {
			if r.ShardId == nil {
				t.Fatalf("%s: %s", *r.ErrorCode, *r.ErrorMessage)
			}
			in[*r.ShardId]++
		}
	}
	if fmt.Sprint(in) != "map[shardId-000000000000:20 shardId-000000000001:20 shardId-000000000002:20 shardId-000000000003:20]" {
		t.Errorf("%v", in)
	}
	for shard := range in {
		at := must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamARN: arn, ShardId: &shard, ShardIteratorType: "TRIM_HORIZON"}))
		for _, r := range must[*kinesis.GetRecordsOutput](t)(c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})).Records {
			got[aws.ToString(r.PartitionKey)]++
		}
	}
	if got["same"] != 40 || got[""] != 40 {
		t.Errorf("%v", got)
	}
	if err := become(ctx, c, arn, types.StreamModeProvisioned); err != nil {
		t.Fatal(err)
	}
	wantError(t, use(types.RecordDistributionStrategyAuto), "InvalidArgumentException", "")
}

// TestResourcePolicies of streams and consumers.
func TestResourcePolicies(t *testing.T) {
	_, c, arn := scaled(t)
	ctx := t.Context()
	one := must[*kinesis.RegisterStreamConsumerOutput](t)(c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: aws.String("app")})).Consumer
	for _, resource := range []*string{arn, one.ConsumerARN} {
		get := func() string {
			return *must[*kinesis.GetResourcePolicyOutput](t)(c.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: resource})).Policy
		}
		remove := func() error {
			_, err := c.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: resource})
			return err
		}
		put := func(policy string) error {
			_, err := c.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: resource, Policy: &policy})
			return err
		}
		const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kinesis:PutRecord","Resource":"*"}]}`
		if got := get(); got != "{}" {
			t.Errorf("none is %s", got)
		}
		wantError(t, remove(), "ResourceNotFoundException", "")
		wantError(t, put("none"), "InvalidArgumentException", "")
		if err := put(policy); err != nil {
			t.Fatal(err)
		}
		if got := get(); got != policy {
			t.Errorf("%s", got)
		}
		if err := remove(); err != nil || get() != "{}" {
			t.Errorf("%v, %s", err, get())
		}
	}
}
