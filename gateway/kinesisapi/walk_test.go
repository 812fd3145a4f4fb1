package kinesisapi_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// TestEveryOperation calls each operation once through the SDK, and wants each
// to succeed: what an operation does in full is its own test's.
func TestEveryOperation(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), aws.String("s")
	byARN := aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s")
	step := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(2)}))
	step(c.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamARN: byARN}))
	step(c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: byARN}))
	step(c.ListStreams(ctx, &kinesis.ListStreamsInput{}))
	step(c.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{}))
	step(c.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamARN: byARN, Tags: map[string]string{"a": "b"}}))
	step(c.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamARN: byARN}))
	step(c.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamARN: byARN, TagKeys: []string{"a"}}))
	step(c.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: byARN, Tags: map[string]string{"a": "b"}}))
	step(c.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: byARN}))
	step(c.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: byARN, TagKeys: []string{"a"}}))
	step(c.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamARN: byARN, RetentionPeriodHours: aws.Int32(48)}))
	step(c.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamARN: byARN, RetentionPeriodHours: aws.Int32(24)}))
	step(c.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamARN: byARN, ShardLevelMetrics: []types.MetricsName{"ALL"}}))
	step(c.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamARN: byARN, ShardLevelMetrics: []types.MetricsName{"ALL"}}))
	step(c.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamARN: byARN, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/k")}))
	step(c.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{StreamARN: byARN, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/k")}))
	step(c.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: byARN, MaxRecordSizeInKiB: aws.Int32(2048)}))
	step(c.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{StreamARN: byARN, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))
	step(c.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: "ENABLED"}}))
	step(c.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{}))
	step(c.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{StreamARN: byARN, WarmThroughputMiBps: aws.Int32(2)}))
	step(c.UpdateStreamRecordDistributionStrategy(ctx, &kinesis.UpdateStreamRecordDistributionStrategyInput{StreamARN: byARN, RecordDistributionStrategy: types.RecordDistributionStrategyAuto}))
	step(c.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{StreamARN: byARN, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned}}))
	step(c.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: byARN, MaxRecordSizeInKiB: aws.Int32(2048)}))
	step(c.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: byARN, Policy: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)}))
	step(c.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: byARN}))
	step(c.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: byARN}))
	step(c.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: byARN, PartitionKey: s, Data: []byte("x")}))
	step(c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamARN: byARN, Records: []types.PutRecordsRequestEntry{{PartitionKey: s, Data: []byte("x")}}}))
	shards := must[*kinesis.ListShardsOutput](t)(c.ListShards(ctx, &kinesis.ListShardsInput{StreamARN: byARN})).Shards
	at := must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamARN: byARN, ShardId: shards[0].ShardId, ShardIteratorType: "TRIM_HORIZON"}))
	step(c.GetRecords(ctx, &kinesis.GetRecordsInput{StreamARN: byARN, ShardIterator: at.ShardIterator}))
	one := must[*kinesis.RegisterStreamConsumerOutput](t)(c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: byARN, ConsumerName: s})).Consumer
	step(c.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: one.ConsumerARN}))
	step(c.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: byARN}))
	sub := must[*kinesis.SubscribeToShardOutput](t)(c.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: one.ConsumerARN, ShardId: shards[0].ShardId,
		StartingPosition: &types.StartingPosition{Type: "LATEST"}}))
	sub.GetStream().Close()
	step(c.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: one.ConsumerARN}))
	step(c.SplitShard(ctx, &kinesis.SplitShardInput{StreamARN: byARN, ShardToSplit: shards[0].ShardId, NewStartingHashKey: aws.String("100")}))
	step(c.MergeShards(ctx, &kinesis.MergeShardsInput{StreamARN: byARN, ShardToMerge: aws.String("shardId-000000000002"), AdjacentShardToMerge: aws.String("shardId-000000000003")}))
	step(c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamARN: byARN, TargetShardCount: aws.Int32(4), ScalingType: types.ScalingTypeUniformScaling}))
	step(c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamARN: byARN, EnforceConsumerDeletion: aws.Bool(true)}))
	called := h.door.Stats().Ops
	for patient := time.After(10 * time.Second); called["kinesis.SubscribeToShard"].Calls == 0; called = h.door.Stats().Ops {
		select { // it is counted when it has ended, behind the client's back
		case <-patient:
			t.Fatal("the subscription did not end")
		case <-time.After(time.Millisecond):
		}
	}
	for name := range h.api.Service().Ops {
		if called["kinesis."+name].Calls == 0 {
			t.Errorf("%s was not called", name)
		}
	}
}
