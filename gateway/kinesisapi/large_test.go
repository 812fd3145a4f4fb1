package kinesisapi_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// large makes a stream of one shard whose records may have that many KiB.
func large(t *testing.T, c *kinesis.Client, name string, kib int32) {
	t.Helper()
	must[*kinesis.CreateStreamOutput](t)(c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name,
		ShardCount: aws.Int32(1), MaxRecordSizeInKiB: &kib}))
}

func putOne(ctx context.Context, c *kinesis.Client, stream string, data []byte) (*kinesis.PutRecordOutput, error) {
	return c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: data})
}

// noise does not compress.
func noise(size int) []byte {
	b, x := make([]byte, size), uint32(size)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// Records of 10 MiB go in by either operation and come out by either reader.
func TestTenMiB(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), "s"
	large(t, c, s, 10240)
	most := noise(shardlog.MaxRecordBytes - 1) // the key has a byte
	must[*kinesis.PutRecordOutput](t)(putOne(ctx, c, s, most))
	many := must[*kinesis.PutRecordsOutput](t)(c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s, Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: most[:9<<20]}, {PartitionKey: aws.String("k"), Data: most[:1000]},
	}}))
	if aws.ToInt32(many.FailedRecordCount) != 0 {
		t.Fatalf("%d records failed", *many.FailedRecordCount)
	}
	want := [][]byte{most, most[:9<<20], most[:1000]}

	shard := aws.String("shardId-000000000000")
	at := must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &s, ShardId: shard,
		ShardIteratorType: "TRIM_HORIZON"})).ShardIterator
	for _, n := range []int{1, 2} { // 10 MiB are an answer of their own
		page := must[*kinesis.GetRecordsOutput](t)(c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at}))
		if len(page.Records) != n {
			t.Fatalf("%d records in a page, want %d", len(page.Records), n)
		}
		for i, r := range page.Records {
			if !bytes.Equal(r.Data, want[n-1+i]) {
				t.Errorf("a record of %d bytes is not the one of %d", len(r.Data), len(want[n-1+i]))
			}
		}
		at = page.NextShardIterator
	}

	byARN := aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s")
	one := must[*kinesis.RegisterStreamConsumerOutput](t)(c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: byARN, ConsumerName: aws.String("one")})).Consumer
	sub := must[*kinesis.SubscribeToShardOutput](t)(c.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: one.ConsumerARN, ShardId: shard,
		StartingPosition: &types.StartingPosition{Type: "TRIM_HORIZON"}})).GetStream()
	defer sub.Close()
	patient := time.After(time.Minute)
	for len(want) > 0 {
		select {
		case e, ok := <-sub.Events():
			if !ok {
				t.Fatalf("the stream ended: %v", sub.Err())
			}
			for _, r := range e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value.Records {
				if !bytes.Equal(r.Data, want[0]) {
					t.Errorf("an event has %d bytes, want %d", len(r.Data), len(want[0]))
				}
				want = want[1:]
			}
		case <-patient:
			t.Fatalf("%d records have not come", len(want))
		}
	}
}

// A stream takes what it says, and says what it takes.
func TestTheStreamsRecordSize(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(once), t.Context()
	large(t, c, "s", 2048)
	says := func(want int32) {
		t.Helper()
		d := must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")}))
		if got := aws.ToInt32(d.StreamDescriptionSummary.MaxRecordSizeInKiB); got != want {
			t.Errorf("it says %d KiB, want %d", got, want)
		}
	}
	refuses := func(size, limit int) {
		t.Helper()
		text := fmt.Sprintf("failed to satisfy constraint: Member must have length less than or equal to %d", limit)
		_, err := putOne(ctx, c, "s", make([]byte, size))
		wantError(t, err, "ValidationException", "1 validation error detected: Value at 'data' "+text)
		_, err = c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("k"), Data: []byte("small")}, {PartitionKey: aws.String("k"), Data: make([]byte, size)}}})
		wantError(t, err, "ValidationException", "1 validation error detected: Value at 'records.2.member.data' "+text)
	}
	resize := func(kib int32) {
		t.Helper()
		must[*kinesis.UpdateMaxRecordSizeOutput](t)(c.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{
			StreamARN: aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s"), MaxRecordSizeInKiB: &kib}))
		says(kib)
	}
	says(2048)
	refuses(2<<20, 2<<20)
	must[*kinesis.PutRecordOutput](t)(putOne(ctx, c, "s", make([]byte, 2<<20-1)))
	resize(10240)
	must[*kinesis.PutRecordOutput](t)(putOne(ctx, c, "s", make([]byte, 2<<20)))
	_, err := putOne(ctx, c, "s", make([]byte, 10<<20)) // and its key
	wantError(t, err, "ValidationException", "")
	resize(1024)
	refuses(1<<20, 1<<20)

	_, err = putOne(ctx, c, "none", make([]byte, 10<<20)) // the stream is looked for before its size is known
	wantError(t, err, "ResourceNotFoundException", "Stream none under account 000000000000 not found.")
	_, err = c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: make([]byte, 6<<20)}, {PartitionKey: aws.String("k"), Data: make([]byte, 5<<20)}}})
	wantError(t, err, "InvalidArgumentException", "Records size exceeds 10 MB limit")
}

// A shard at rest takes one large record at once, as debt that seconds pay.
func TestALargeRecordIsPaidFor(t *testing.T) {
	h := open(t, quota.Limits{})
	h.clock.freeze()
	c, ctx := h.client(once), t.Context()
	large(t, c, "s", 10240)
	must[*kinesis.PutRecordOutput](t)(putOne(ctx, c, "s", make([]byte, 10<<20-1)))
	_, err := putOne(ctx, c, "s", make([]byte, 1<<20))
	wantError(t, err, "ProvisionedThroughputExceededException", "")
	h.clock.advance(2 * time.Second)
	must[*kinesis.PutRecordOutput](t)(putOne(ctx, c, "s", make([]byte, 1<<20)))
}
