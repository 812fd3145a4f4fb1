package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

var telemetry = aws.String("telemetry")

// putOne stores a record under a key that is the same for all, and answers where.
func putOne(ctx context.Context, t *testing.T, k *kinesis.Client, data string) (number, shard string) {
	t.Helper()
	out, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: telemetry, PartitionKey: aws.String("same"), Data: []byte(data)})
	if err != nil {
		t.Fatalf("put %s: %v", data, err)
	}
	return *out.SequenceNumber, *out.ShardId
}

// shardOf is the shard of putOne's key.
func shardOf(ctx context.Context, t *testing.T, k *kinesis.Client) string {
	t.Helper()
	_, shard := putOne(ctx, t, k, "where does it go")
	return shard
}

// iterator begins to read a shard of telemetry.
func iterator(ctx context.Context, t *testing.T, k *kinesis.Client, shard string, kind types.ShardIteratorType, number *string) *string {
	t.Helper()
	out, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: telemetry, ShardId: &shard, ShardIteratorType: kind, StartingSequenceNumber: number})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

// nextRecord reads until there is a record.
func nextRecord(ctx context.Context, t *testing.T, k *kinesis.Client, at *string) (data string) {
	t.Helper()
	until(t, 10*time.Second, "a record", func() (string, bool) {
		out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at})
		if err != nil {
			t.Fatal(err)
		}
		if at = out.NextShardIterator; len(out.Records) > 0 {
			data = string(out.Records[0].Data)
		}
		return "", len(out.Records) > 0
	})
	return data
}

// stored is a record as a reader gets it.
type stored struct {
	Number, Data string
	Arrived      time.Time
}

// contents reads all that telemetry holds, by shard and in order.
func contents(t *testing.T, k *kinesis.Client) map[string][]stored {
	t.Helper()
	all, err := readWhole(k)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readWhole(k *kinesis.Client) (map[string][]stored, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: telemetry})
	if err != nil {
		return nil, err
	}
	all := map[string][]stored{}
	for _, s := range shards.Shards {
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: telemetry, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return nil, err
		}
		for at, behind := it.ShardIterator, int64(1); behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				return nil, err
			}
			for _, r := range out.Records {
				all[*s.ShardId] = append(all[*s.ShardId], stored{*r.SequenceNumber, string(r.Data), *r.ApproximateArrivalTimestamp})
			}
			at, behind = out.NextShardIterator, *out.MillisBehindLatest
		}
	}
	return all, nil
}

// inOrder wants every shard to number its records upwards, no data twice
// unless it may be, and answers the data.
func inOrder(t *testing.T, all map[string][]stored, mayRepeat func(data string) bool) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for shard, records := range all {
		for i, r := range records {
			if i > 0 && (r.Number <= records[i-1].Number || r.Arrived.Before(records[i-1].Arrived)) {
				t.Errorf("%s: %+v lies behind %+v", shard, r, records[i-1])
			}
			if seen[r.Data] && (mayRepeat == nil || !mayRepeat(r.Data)) {
				t.Errorf("%s is there twice", r.Data)
			}
			seen[r.Data] = true
		}
	}
	return seen
}

// alike waits until all gateways that run give the same records, and answers them.
func (s *trio) alike() map[string][]stored {
	s.t.Helper()
	var first map[string][]stored
	until(s.t, 20*time.Second, "all gateways give the same", func() (string, bool) {
		first = nil
		for _, b := range s.up() {
			switch all := contents(s.t, s.kinesis(b)); {
			case first == nil:
				first = all
			case !maps.EqualFunc(first, all, slices.Equal):
				return fmt.Sprintf("%d records and %d", count(first), count(all)), false
			}
		}
		return "", true
	})
	return first
}

func count(all map[string][]stored) (n int) {
	for _, records := range all {
		n += len(records)
	}
	return n
}
