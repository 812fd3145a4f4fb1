package main

import (
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// shuffle splits or merges shards of a stream now and then, until ctx ends.
func shuffle(ctx context.Context, k *kinesis.Client, stream string, every time.Duration) (splits, merges int, err error) {
	for wait(ctx, every) == nil {
		open, err := openShards(ctx, k, stream)
		if err != nil {
			continue // killed just now
		}
		if split := len(open) < 2 || len(open) < 6 && rand.IntN(2) == 0; split {
			s := open[rand.IntN(len(open))]
			_, err = k.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &stream, ShardToSplit: s.ShardId, NewStartingHashKey: middle(s)})
			if err == nil {
				splits++
			}
		} else {
			i := rand.IntN(len(open) - 1)
			_, err = k.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &stream, ShardToMerge: open[i].ShardId, AdjacentShardToMerge: open[i+1].ShardId})
			if err == nil {
				merges++
			}
		}
		var refused *types.InvalidArgumentException
		if errors.As(err, &refused) {
			return splits, merges, err
		}
	}
	return splits, merges, nil
}

// openShards are the shards that take records, in the order of their ranges.
func openShards(ctx context.Context, k *kinesis.Client, stream string) ([]types.Shard, error) {
	listed, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(listed.Shards, func(a, b types.Shard) int {
		return number(a.HashKeyRange.StartingHashKey).Cmp(number(b.HashKeyRange.StartingHashKey))
	})
	return listed.Shards, nil
}

func number(text *string) *big.Int {
	n, _ := new(big.Int).SetString(aws.ToString(text), 10)
	return n
}

// middle is the hash in the middle of a shard's range.
func middle(s types.Shard) *string {
	sum := new(big.Int).Add(number(s.HashKeyRange.StartingHashKey), number(s.HashKeyRange.EndingHashKey))
	return aws.String(sum.Rsh(sum, 1).String())
}
