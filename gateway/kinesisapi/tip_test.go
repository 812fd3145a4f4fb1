package kinesisapi_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// TestAGatewayThatLagsAsksTheLeader holds three records, and knows from the
// leader that there are five.
func TestAGatewayThatLagsAsksTheLeader(t *testing.T) {
	h := openWith(t, quota.Limits{Off: true}, func(context.Context, shardlog.ShardID) (shardlog.Seq, error) { return 6, nil })
	ctx, k := context.Background(), h.client(once)
	must[*kinesis.CreateStreamOutput](t)(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}))
	put := func() shardlog.SequenceNumber {
		t.Helper()
		out := must[*kinesis.PutRecordOutput](t)(k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("d")}))
		n, err := shardlog.ParseSequenceNumber(*out.SequenceNumber)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 {
		put()
	}
	last := put()
	iterator := func(kind types.ShardIteratorType, number *string) (*kinesis.GetShardIteratorOutput, error) {
		return k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"),
			ShardIteratorType: kind, StartingSequenceNumber: number})
	}
	at := must[*kinesis.GetShardIteratorOutput](t)(iterator("LATEST", nil))
	for range 2 { // the fourth and the fifth, which the leader had
		put()
	}
	sixth := put()
	got := must[*kinesis.GetRecordsOutput](t)(k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator}))
	if len(got.Records) != 1 || *got.Records[0].SequenceNumber != sixth.String() {
		t.Fatalf("LATEST gave %d records", len(got.Records))
	}
	ahead := last
	ahead.Index = 7
	_, err := iterator("AFTER_SEQUENCE_NUMBER", aws.String(ahead.String()))
	wantError(t, err, "InvalidArgumentException", "")
	h = openWith(t, quota.Limits{Off: true}, func(context.Context, shardlog.ShardID) (shardlog.Seq, error) { return 9, nil })
	k = h.client(once)
	must[*kinesis.CreateStreamOutput](t)(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}))
	behind := put()
	behind.Index = 7
	_, err = iterator("AFTER_SEQUENCE_NUMBER", aws.String(behind.String()))
	wantError(t, err, "ServiceUnavailable", "")
}
