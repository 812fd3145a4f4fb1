package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestLimitsAreScaledOrOff: a shard takes and gives the multiple of Kinesis's
// rates that the configuration says, or as much as is asked.
func TestLimitsAreScaledOrOff(t *testing.T) {
	for text, want := range map[string]struct {
		stored  int  // of 500 at once
		refused bool // some of twenty reads at once
	}{"0.1x": {100, true}, "kinesis": {500, true}, "off": {500, false}} {
		t.Run(text, func(t *testing.T) {
			limits, err := gateway.ParseLimits(text)
			if err != nil {
				t.Fatal(err)
			}
			g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open, c.Limits = true, limits })
			k, ctx := kinesis.New(client(g, "any", "thing").Options(), func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }), t.Context()
			if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
				t.Fatal(err)
			}
			in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
			for i := range 500 {
				in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: []byte("x")})
			}
			out, err := k.PutRecords(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			if stored := 500 - int(*out.FailedRecordCount); stored != want.stored {
				t.Errorf("%d records stored, want %d", stored, want.stored)
			}
			it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("0"), ShardIteratorType: "TRIM_HORIZON"})
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for range 20 {
				_, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
				if over := new(types.ProvisionedThroughputExceededException); errors.As(err, &over) {
					refused++
				} else if err != nil && !strings.Contains(err.Error(), "use of closed network connection") { // the SDK's own, which it would try again
					t.Fatal(err)
				}
			}
			if refused > 0 != want.refused {
				t.Errorf("%d reads of 20 refused", refused)
			}
		})
	}
}
