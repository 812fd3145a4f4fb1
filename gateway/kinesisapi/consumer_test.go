package kinesisapi_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/shardlog/quota"
)

// TestConsumersRegisterAtOnce: of thirty who come at one moment twenty are let in.
func TestConsumersRegisterAtOnce(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	stream := aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s")
	var in atomic.Int32
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			_, err := c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: stream, ConsumerName: aws.String(fmt.Sprint("c", i))})
			if err == nil {
				in.Add(1)
				return
			}
			wantError(t, err, "LimitExceededException", "")
		})
	}
	all.Wait()
	listed := must[*kinesis.ListStreamConsumersOutput](t)(c.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: stream}))
	if in.Load() != 20 || len(listed.Consumers) != 20 {
		t.Errorf("%d were let in, %d are listed", in.Load(), len(listed.Consumers))
	}
}

// TestConsumersHaveTags, of their own and by their ARN.
func TestConsumersHaveTags(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(once), t.Context()
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1), Tags: map[string]string{"of": "the stream"}}); err != nil {
		t.Fatal(err)
	}
	one := must[*kinesis.RegisterStreamConsumerOutput](t)(c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s"), ConsumerName: aws.String("app"), Tags: map[string]string{"made": "so"}})).Consumer
	if _, err := c.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: one.ConsumerARN, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: one.ConsumerARN, TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range must[*kinesis.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: one.ConsumerARN})).Tags {
		got[*tag.Key] = *tag.Value
	}
	if len(got) != 2 || got["made"] != "so" || got["b"] != "2" {
		t.Errorf("%v", got)
	}
	_, err := c.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: aws.String(*one.ConsumerARN + "1")})
	wantError(t, err, "ResourceNotFoundException", "")
}
