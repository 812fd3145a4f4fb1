package kinesisapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway/kinesisapi"
	"headgate/shardlog/quota"
)

// measured is what the API measured, by metric, shard and consumer.
func measured(t *testing.T, h *house) map[string]kinesisapi.Sample {
	all := map[string]kinesisapi.Sample{}
	h.api.Samples(t.Context(), func(s kinesisapi.Sample) {
		if s.Stream != "s" {
			t.Errorf("measured %+v", s)
		}
		all[s.Metric+" "+s.Shard+s.Consumer] = s
	})
	return all
}

// TestMetrics: what clients do is told under CloudWatch's names, of the stream
// and, once they are asked for, of its shards; what is deleted is forgotten.
func TestMetrics(t *testing.T) {
	h, c := frozen(t, quota.Limits{})
	ctx, s := t.Context(), aws.String("s")
	put := func(sizes ...int) {
		t.Helper()
		in := &kinesis.PutRecordsInput{StreamName: s}
		for _, n := range sizes {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String("key"), Data: make([]byte, n)})
		}
		must[*kinesis.PutRecordsOutput](t)(c.PutRecords(ctx, in))
	}
	put(7, 7) // ten bytes each, with the key
	if _, err := c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: s, PartitionKey: aws.String("key"), Data: make([]byte, 17)}); err != nil {
		t.Fatal(err)
	}
	for name := range measured(t, h) {
		if name[len(name)-1] != ' ' {
			t.Errorf("%s is measured, and nobody asked", name)
		}
	}
	must[*kinesis.EnableEnhancedMonitoringOutput](t)(c.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: s,
		ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingRecords, types.MetricsNameOutgoingBytes, types.MetricsNameWriteProvisionedThroughputExceeded}}))
	put(1<<20-100, 7, 7)
	put(1<<20-100, 7) // the second's bytes are used up
	it := horizon(t, c)
	for range 6 { // one more than the second allows
		c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(2)})
	}
	got := measured(t, h)
	for name, want := range map[string][2]float64{ // sum, samples
		"IncomingRecords ": {6, 4}, "IncomingBytes ": {1<<20 - 37, 4}, "WriteProvisionedThroughputExceeded ": {2, 4},
		"PutRecord.Bytes ": {20, 1}, "PutRecord.Success ": {1, 1},
		"PutRecords.TotalRecords ": {7, 3}, "PutRecords.SuccessfulRecords ": {5, 3}, "PutRecords.Records ": {5, 3}, "PutRecords.Bytes ": {1<<20 - 57, 3},
		"PutRecords.ThrottledRecords ": {2, 3}, "PutRecords.FailedRecords ": {0, 3}, "PutRecords.Success ": {2, 3},
		"GetRecords.Records ": {10, 5}, "GetRecords.Bytes ": {100, 5}, "GetRecords.Success ": {5, 6}, "OutgoingRecords ": {10, 5}, "OutgoingBytes ": {100, 5},
		"ReadProvisionedThroughputExceeded ":                      {1, 6},
		"IncomingRecords shardId-000000000000":                    {3, 2},
		"OutgoingBytes shardId-000000000000":                      {100, 5},
		"WriteProvisionedThroughputExceeded shardId-000000000000": {2, 2},
	} {
		if s := got[name]; s.Sum != want[0] || float64(s.Count) != want[1] {
			t.Errorf("%s is %v of %d, want %v", name, s.Sum, s.Count, want)
		}
	}
	for _, name := range []string{"PutRecord.Latency ", "PutRecords.Latency ", "GetRecords.Latency "} {
		if s := got[name]; s.Count == 0 || s.Sum <= 0 || s.Sum > 60_000 {
			t.Errorf("%s is %v ms of %d", name, s.Sum, s.Count)
		}
	}
	if _, ok := got["OutgoingRecords shardId-000000000000"]; ok {
		t.Error("a shard's metric is told that nobody asked for")
	}
	if _, err := c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: s}); err != nil {
		t.Fatal(err)
	}
	if left := measured(t, h); len(left) > 0 {
		t.Errorf("of the deleted stream: %v", left)
	}
}
