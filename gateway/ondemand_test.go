package gateway_test

import (
	"context"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestAnOnDemandStreamScales: a shard that is busy for a window is split, a
// stream that is quiet goes back to four shards, and nothing is lost.
func TestAnOnDemandStreamScales(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) {
		c.Open, c.Limits, c.OnDemandWindow = true, 0.2, gateway.Duration(500*time.Millisecond)
	})
	k := kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + g.Addresses().API), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream := aws.String("elastic")
	if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: stream}); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		d, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: stream})
		if err != nil {
			t.Fatal(err)
		}
		return int(*d.StreamDescriptionSummary.OpenShardCount)
	}
	put := 0
	for tick := time.NewTicker(100 * time.Millisecond); open() < 6; <-tick.C { // 160 a second, of 200
		batch := make([]types.PutRecordsRequestEntry, 16)
		for i := range batch { // in the first quarter of the ring
			place := new(big.Int).Lsh(big.NewInt(int64(put*16+i)%1000), 115)
			batch[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), ExplicitHashKey: aws.String(place.String()), Data: []byte("x")}
		}
		out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: stream, Records: batch})
		if err != nil {
			t.Fatal(err)
		}
		put += 16 - int(*out.FailedRecordCount)
	}
	for tick := time.NewTicker(200 * time.Millisecond); open() > 4; {
		<-tick.C
	}
	got, shards := 0, 0
	listed, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: stream})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range listed.Shards {
		shards++
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: stream, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		page, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		got += len(page.Records)
	}
	if got != put {
		t.Errorf("%d records of %d in %d shards", got, put, shards)
	}
}
