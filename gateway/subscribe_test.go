package gateway_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestAStopDoesNotWaitForSubscriptions: they end whole, and at once.
func TestAStopDoesNotWaitForSubscriptions(t *testing.T) {
	g, stop := start(t, t.TempDir(), func(c *gateway.Config) { c.Open = true })
	k, ctx := client(g, "any", "thing"), t.Context()
	if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	made, err := k.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: aws.String("arn:aws:kinesis:eu-central-1:000000000000:stream/s"), ConsumerName: aws.String("app")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := k.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: made.Consumer.ConsumerARN,
		ShardId: aws.String("shardId-000000000000"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest}})
	if err != nil {
		t.Fatal(err)
	}
	events := out.GetStream()
	<-events.Events() // the first comes at once
	began := time.Now()
	stop()
	for range events.Events() {
	}
	if took := time.Since(began); took > 4*time.Second || events.Err() != nil {
		t.Errorf("after %v: %v", took, events.Err())
	}
}
