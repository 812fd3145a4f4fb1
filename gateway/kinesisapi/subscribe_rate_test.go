package kinesisapi_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// fill puts so many records of 100 KiB.
func (f *fanOut) fill(n int) {
	f.Helper()
	for range n {
		if _, err := f.c.PutRecord(f.Context(), &kinesis.PutRecordInput{StreamName: f.stream, PartitionKey: aws.String("k"), Data: bytes.Repeat([]byte("x"), 100<<10)}); err != nil {
			f.Fatal(err)
		}
	}
}

// TestASubscriptionKeepsItsRate: what is over the first event waits for it.
func TestASubscriptionKeepsItsRate(t *testing.T) {
	f := newFanOut(t, quota.Limits{RecordsIn: 1000, BytesIn: 64 << 20, BytesOut: 1 << 20})
	f.fill(30)
	s, err := f.subscribe(t.Context(), firstShard, fromHorizon)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	take(t, s.Events(), 30)
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("3 MB came in %v at 1 MiB/s", took)
	}
}

// TestKinesisOwnLimits are what a limit of zero means.
func TestKinesisOwnLimits(t *testing.T) {
	f := newFanOut(t, quota.Limits{})
	f.put(0, 3)
	s, err := f.subscribe(t.Context(), firstShard, fromHorizon)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	records, _ := take(t, s.Events(), 3)
	inOrder(t, records, 0)
}

// TestQuietSubscriptionsLeaveTheMemoryToOthers: more of them than the door has
// memory for events, and everybody is still served.
func TestQuietSubscriptionsLeaveTheMemoryToOthers(t *testing.T) {
	const shards = 40
	f := newFanOut(t, quota.Limits{Off: true})
	wide := aws.String("wide")
	if _, err := f.c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: wide, ShardCount: aws.Int32(shards)}); err != nil {
		t.Fatal(err)
	}
	f.stream = wide
	out := must[*kinesis.RegisterStreamConsumerOutput](t)(f.c.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String("app")}))
	f.consumer = out.Consumer.ConsumerARN
	for _, shard := range shardsOf(t, f.c, *wide) {
		s, err := f.subscribe(t.Context(), *shard.ShardId, &types.StartingPosition{Type: types.ShardIteratorTypeLatest})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, ok := <-s.Events(); !ok {
			t.Fatalf("%s: %v", *shard.ShardId, s.Err())
		}
	}
	began := time.Now()
	f.put(0, 1)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a put took %v", took)
	}
}
