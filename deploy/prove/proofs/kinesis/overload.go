package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// refusals are the answers of a shard that was written to too fast.
type refusals struct {
	sent, stored, throttled, other int
}

func (r refusals) String() string {
	return fmt.Sprintf("a shard was sent %d records at once: %d stored, %d ProvisionedThroughputExceededException\n", r.sent, r.stored, r.throttled)
}

func (r refusals) err() error {
	if r.throttled == 0 || r.stored < 1000 || r.other > 0 {
		return errors.New("a shard's limit was not kept as Kinesis keeps it")
	}
	return nil
}

// overload writes 5,000 records to one shard as fast as it goes.
func overload(ctx context.Context, g *gateway) (r refusals, err error) {
	k, stream := g.once(), "narrow"
	if err := create(ctx, k, stream, 1); err != nil {
		return r, err
	}
	batch := make([]types.PutRecordsRequestEntry, 500)
	for i := range batch {
		batch[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: []byte("reading")}
	}
	for range 10 {
		out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: batch})
		if err != nil {
			return r, err
		}
		r.sent += len(batch)
		for _, one := range out.Records {
			switch {
			case one.SequenceNumber != nil:
				r.stored++
			case aws.ToString(one.ErrorCode) == "ProvisionedThroughputExceededException" && strings.HasPrefix(*one.ErrorMessage, "Rate exceeded for shard shardId-000000000000 in stream narrow"):
				r.throttled++
			default:
				r.other++
			}
		}
	}
	return r, nil
}
