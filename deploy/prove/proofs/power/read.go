package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// record is one that was read.
type record struct {
	place
	key     string
	data    []byte
	arrived time.Time
}

// read reads a whole stream with the AWS SDK.
func read(ctx context.Context, k *kinesis.Client, stream string) (all []record, err error) {
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		return nil, err
	}
	for _, sh := range shards.Shards {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return nil, err
		}
		for next, behind := at.ShardIterator, int64(1); next != nil && behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				return nil, err
			}
			for _, r := range out.Records {
				all = append(all, record{place{*sh.ShardId, *r.SequenceNumber}, *r.PartitionKey, r.Data, aws.ToTime(r.ApproximateArrivalTimestamp)})
			}
			next, behind = out.NextShardIterator, aws.ToInt64(out.MillisBehindLatest)
		}
	}
	return all, nil
}
