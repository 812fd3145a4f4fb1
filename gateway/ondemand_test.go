package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestOnDemandScales puts a load on one part of the ring: its shard splits.
// When it stops, the stream goes back to its four shards, and every record is
// there once, those of a key in order.
func TestOnDemandScales(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) {
		c.Open, c.Limits, c.OnDemandWindow = true, 0.2, gateway.Duration(500*time.Millisecond)
	})
	k, ctx := client(g, "any", "thing"), t.Context()
	if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: aws.String("s"), ShardLevelMetrics: []types.MetricsName{"ALL"}}); err != nil {
		t.Fatal(err)
	}
	limit, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	sent := loadUntil(t, limit, k, func() bool { return openCount(t, g) >= 6 })
	for openCount(t, g) > 4 {
		if pause(limit, 100*time.Millisecond) != nil {
			t.Fatalf("still %d shards", openCount(t, g))
		}
	}
	one := status(t, g)
	if one.Mode != "ON_DEMAND" || one.Scaling != "merge" || time.Since(one.Scaled) > time.Minute {
		t.Errorf("%+v", one)
	}
	got := readKeys(t, k)
	for key, n := range sent {
		want := make([]string, n)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		if !slices.Equal(got[key], want) {
			t.Errorf("%s: %d sent, %d read: %.200s", key, n, len(got[key]), strings.Join(got[key], " "))
		}
	}
	metricsTell(t, g, sent)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func status(t *testing.T, g *gateway.Gateway) gateway.StreamStatus {
	t.Helper()
	all := g.Status().Streams
	i := slices.IndexFunc(all, func(s gateway.StreamStatus) bool { return s.Name == "s" })
	if i < 0 {
		t.Fatal("no stream")
	}
	return all[i]
}

func openCount(t *testing.T, g *gateway.Gateway) int { return status(t, g).Shards }

// keysOfLoad is how many keys the load has, all in the ring's first quarter.
const keysOfLoad = 8

// loadUntil puts 400 records a second, of 200 that a shard takes, one call of a key at a time, and
// answers how many of each are stored.
func loadUntil(t *testing.T, ctx context.Context, k *kinesis.Client, enough func() bool) map[string]int {
	var mu sync.Mutex
	var group sync.WaitGroup
	sent := map[string]int{}
	over, stop := context.WithCancel(ctx)
	defer stop()
	for n := range keysOfLoad {
		group.Go(func() {
			key := fmt.Sprintf("key-%d", n)
			for i := 0; over.Err() == nil; {
				in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
				for j := range 5 {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: fmt.Append(nil, i+j),
						ExplicitHashKey: aws.String(fmt.Sprintf("%d", n+1) + strings.Repeat("0", 36))})
				}
				out, err := k.PutRecords(ctx, in)
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				for _, r := range out.Records { // one that is throttled throttles the rest of its key
					if r.ErrorCode == nil {
						i++
					}
				}
				mu.Lock()
				sent[key] = i
				mu.Unlock()
				_ = pause(over, 100*time.Millisecond)
			}
		})
	}
	for !enough() && ctx.Err() == nil {
		_ = pause(ctx, 100*time.Millisecond)
	}
	if !enough() {
		t.Errorf("not split in time")
	}
	stop()
	group.Wait()
	return sent
}

// readKeys reads all shards, parents before children, and answers what each key holds.
func readKeys(t *testing.T, k *kinesis.Client) map[string][]string {
	t.Helper()
	ctx, got := t.Context(), map[string][]string{}
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards.Shards { // by number, which is by age
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: s.ShardId, ShardIteratorType: "TRIM_HORIZON"})
		if err != nil {
			t.Fatal(err)
		}
		for next := it.ShardIterator; next != nil; {
			page, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			if slow := new(types.ProvisionedThroughputExceededException); errors.As(err, &slow) && pause(ctx, 200*time.Millisecond) == nil {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				got[*r.PartitionKey] = append(got[*r.PartitionKey], string(r.Data))
			}
			if next = page.NextShardIterator; len(page.Records) == 0 {
				break
			}
		}
	}
	return got
}

// metricsTell looks for the stream's and its shards' metrics.
func metricsTell(t *testing.T, g *gateway.Gateway, sent map[string]int) {
	t.Helper()
	text := metricsOf(t, g)
	total := 0
	for _, n := range sent {
		total += n
	}
	for _, want := range []string{
		fmt.Sprintf("aws_kinesis_incoming_records_sum{stream_name=\"s\"} %v\n", gauge(total)),
		fmt.Sprintf("aws_kinesis_put_records_successful_records_sum{stream_name=\"s\"} %v\n", gauge(total)),
		fmt.Sprintf("aws_kinesis_get_records_records_sum{stream_name=\"s\"} %v\n", gauge(total)),
		"aws_kinesis_put_records_latency_sum{stream_name=\"s\"} ",
		"aws_kinesis_incoming_bytes_sum{shard_id=\"shardId-000000000000\",stream_name=\"s\"} ",
		"aws_kinesis_outgoing_records_sum{shard_id=\"shardId-000000000000\",stream_name=\"s\"} ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics does not have %s", want)
		}
	}
}

// gauge is a number as Prometheus prints it.
func gauge(n int) float64 { return float64(n) }
