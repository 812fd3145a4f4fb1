package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// poll reads a stream with GetRecords.
func poll(ctx context.Context, k *kinesis.Client, stream string, into *reading) error {
	return follow(ctx, k, stream, func(ctx context.Context, shard string) ([]types.ChildShard, error) {
		last := ""
		for {
			children, err := pollShard(ctx, k, stream, shard, &last, into)
			if err == nil || ctx.Err() != nil {
				return children, nil
			}
			if err := wait(ctx, 100*time.Millisecond); err != nil { // killed just now: on from where it was
				return nil, nil
			}
		}
	})
}

// pollShard reads a shard to its end, from behind the number last on.
func pollShard(ctx context.Context, k *kinesis.Client, stream, shard string, last *string, into *reading) ([]types.ChildShard, error) {
	in := &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if *last != "" {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, last
	}
	at, err := k.GetShardIterator(ctx, in)
	if err != nil {
		return nil, err
	}
	for next := at.ShardIterator; ; {
		out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			return nil, err
		}
		for _, r := range out.Records {
			if err := into.add(shard, *r.SequenceNumber, r.Data); err != nil {
				return nil, err
			}
			number := *r.SequenceNumber
			*last = number
		}
		if next = out.NextShardIterator; next == nil {
			return out.ChildShards, nil
		}
		if err := wait(ctx, 210*time.Millisecond); err != nil { // a shard gives five reads a second
			return nil, err
		}
	}
}
