package kinesisapi_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"headgate/shardlog/quota"
)

// shardsOf are all shards of a stream, closed ones too.
func shardsOf(t *testing.T, c *kinesis.Client, stream string) []types.Shard {
	t.Helper()
	return must[*kinesis.ListShardsOutput](t)(c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &stream})).Shards
}

func isOpen(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber == nil }

// halfway is the middle of a shard's range.
func halfway(s types.Shard) *string {
	from, _ := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
	to, _ := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
	return aws.String(new(big.Int).Rsh(from.Add(from, to), 1).String())
}

// lineage reads a stream as the KCL does: a child after its parents, by the
// ChildShards that GetRecords tells at a shard's end.
func lineage(t *testing.T, c *kinesis.Client, stream string, want int) map[string][]string {
	t.Helper()
	seen, count := map[string][]string{}, 0
	done := map[string]bool{}
	var queue []string
	for _, s := range shardsOf(t, c, stream) {
		if s.ParentShardId == nil {
			queue = append(queue, *s.ShardId)
		}
	}
	begun := map[string]bool{}
	for len(queue) > 0 {
		shard := queue[0]
		queue = queue[1:]
		if begun[shard] {
			continue
		}
		begun[shard] = true
		it := must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: &shard,
			ShardIteratorType: types.ShardIteratorTypeTrimHorizon})).ShardIterator
		for it != nil {
			out := must[*kinesis.GetRecordsOutput](t)(c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it}))
			for _, r := range out.Records {
				seen[*r.PartitionKey] = append(seen[*r.PartitionKey], string(r.Data))
				count++
			}
			if out.NextShardIterator == nil {
				done[shard] = true
				if len(out.ChildShards) == 0 {
					t.Errorf("%s ends without children", shard)
				}
				for _, child := range out.ChildShards {
					ready := true
					for _, parent := range child.ParentShards {
						ready = ready && done[parent]
					}
					if ready {
						queue = append(queue, *child.ShardId)
					}
				}
			}
			it = out.NextShardIterator
			if len(out.Records) == 0 && it != nil && aws.ToInt64(out.MillisBehindLatest) == 0 {
				break // open, and at the tip
			}
		}
	}
	if count != want {
		t.Errorf("read %d records of %d", count, want)
	}
	return seen
}

// TestReshardingUnderLoad splits and merges while producers put; read along
// the lineage every record is there once, and in the order of its key.
func TestReshardingUnderLoad(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(), t.Context()
	const stream, keys, records = "s", 8, 50
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	var producers sync.WaitGroup
	for k := range keys {
		producers.Go(func() {
			for n := range records {
				if _, err := c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(fmt.Sprint("key", k)), Data: fmt.Append(nil, n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		all := shardsOf(t, c, stream)
		last := all[len(all)-1]
		if _, err := c.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String(stream), ShardToSplit: last.ShardId, NewStartingHashKey: halfway(last)}); err != nil {
			t.Fatal(err)
		}
		all = shardsOf(t, c, stream)
		if _, err := c.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: aws.String(stream), ShardToMerge: all[len(all)-1].ShardId, AdjacentShardToMerge: all[len(all)-2].ShardId}); err != nil {
			t.Fatal(err)
		}
	}
	producers.Wait()
	for key, values := range lineage(t, c, stream, keys*records) {
		for n, v := range values {
			if v != fmt.Sprint(n) {
				t.Fatalf("%s: %s at place %d", key, v, n)
			}
		}
	}
}

// TestUpdateShardCount goes through counts and wants an even ring each time.
func TestUpdateShardCount(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(), t.Context()
	const stream = "s"
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(4)}); err != nil {
		t.Fatal(err)
	}
	current := 4
	for _, n := range []int{8, 5, 5, 3, 6, 7, 4} {
		out := must[*kinesis.UpdateShardCountOutput](t)(c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: aws.String(stream),
			TargetShardCount: aws.Int32(int32(n)), ScalingType: types.ScalingTypeUniformScaling}))
		if int(aws.ToInt32(out.CurrentShardCount)) != current || int(aws.ToInt32(out.TargetShardCount)) != n {
			t.Errorf("%+v", out)
		}
		current = n
		var sizes []*big.Int
		for _, s := range shardsOf(t, c, stream) {
			if isOpen(s) {
				from, _ := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
				to, _ := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
				sizes = append(sizes, to.Sub(to, from))
			}
		}
		if len(sizes) != n {
			t.Fatalf("%d open shards, want %d", len(sizes), n)
		}
		for _, size := range sizes {
			if d := new(big.Int).Sub(size, sizes[0]); d.CmpAbs(big.NewInt(int64(n))) > 0 {
				t.Errorf("%d shards: one has %v more places", n, d)
			}
		}
	}
	for target, want := range map[int32]string{9: "cannot scale up over double your current open shard count. Current open shard count: 4, Target shard count: 9",
		1: "cannot scale down below half your current open shard count. Current open shard count: 4, Target shard count: 1"} {
		_, err := c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: aws.String(stream), TargetShardCount: &target, ScalingType: types.ScalingTypeUniformScaling})
		if !refusedAs(err, "LimitExceededException", want) {
			t.Errorf("%d: %v", target, err)
		}
	}
}

func refusedAs(err error, code, text string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == code && strings.Contains(e.ErrorMessage(), text)
}

// TestWhatCannotBeResharded is a table of refusals with AWS's texts.
func TestWhatCannotBeResharded(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(), context.Background()
	const stream = "s"
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	all := shardsOf(t, c, stream)
	split := func(shard, start string) error {
		_, err := c.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String(stream), ShardToSplit: &shard, NewStartingHashKey: &start})
		return err
	}
	merge := func(a, b string) error {
		_, err := c.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: aws.String(stream), ShardToMerge: &a, AdjacentShardToMerge: &b})
		return err
	}
	if err := split(*all[2].ShardId, *halfway(all[2])); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		err        error
		code, text string
	}{
		{split("shardId-000000000099", "5"), "ResourceNotFoundException", "Could not find shard shardId-000000000099 in stream s under account 000000000000."},
		{split(*all[2].ShardId, *halfway(all[2])), "InvalidArgumentException", "has already been merged or split, and thus is not eligible for merging or splitting."},
		{split(*all[0].ShardId, "0"), "InvalidArgumentException", "is not both greater than one plus the shard's StartingHashKey 0"},
		{split(*all[0].ShardId, *all[1].HashKeyRange.StartingHashKey), "InvalidArgumentException", "is not both greater than one plus"},
		{split(*all[0].ShardId, strings.Repeat("9", 39)), "InvalidArgumentException", "Invalid NewStartingHashKey"},
		{split(*all[0].ShardId, "x"), "ValidationException", "newStartingHashKey"},
		{merge(*all[0].ShardId, "shardId-000000000003"), "InvalidArgumentException", "are not an adjacent pair of shards eligible for merging"},
		{merge(*all[0].ShardId, *all[0].ShardId), "InvalidArgumentException", "are not an adjacent pair"},
		{merge(*all[0].ShardId, *all[2].ShardId), "InvalidArgumentException", "not eligible"},
	} {
		if !refusedAs(one.err, one.code, one.text) {
			t.Errorf("%v, want %s %q", one.err, one.code, one.text)
		}
	}
}
