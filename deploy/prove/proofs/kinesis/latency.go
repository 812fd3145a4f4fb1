package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"
)

// waits are how long after its acknowledgement each record was pushed. Those
// that came before count as nothing.
type waits []time.Duration

func (w waits) String() string {
	slices.Sort(w)
	at := func(q float64) float64 { return float64(w[int(q*float64(len(w)-1))].Microseconds()) / 1000 }
	return fmt.Sprintf("acknowledged to pushed, %d single records: p50 %.1f ms, p99 %.1f ms\n", len(w), at(0.5), at(0.99))
}

// latency measures fan-out on a gateway that does nothing else.
func latency(ctx context.Context, g *gateway) (waits, error) {
	const records = 100
	k, stream := g.client(), "quick"
	if err := create(ctx, k, stream, 1); err != nil {
		return nil, err
	}
	consumer, err := register(ctx, k, stream)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var acked, came [records]time.Time
	var group errgroup.Group
	group.Go(func() error {
		left := records
		done, all := context.WithCancel(ctx)
		defer all()
		_, _, err := subscribe(done, k, consumer, "shardId-000000000000", &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
			func(e *types.SubscribeToShardEvent) error {
				for _, r := range e.Records {
					came[binary.BigEndian.Uint16(r.Data)] = time.Now()
					if left--; left == 0 {
						all()
					}
				}
				return nil
			})
		if left > 0 {
			return fmt.Errorf("%d of %d records were not pushed: %w", left, records, err)
		}
		return nil
	})
	for i := range acked {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
		_, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: binary.BigEndian.AppendUint16(nil, uint16(i))})
		if err != nil {
			return nil, err
		}
		acked[i] = time.Now()
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make(waits, records)
	for i := range all {
		all[i] = max(0, came[i].Sub(acked[i]))
	}
	return all, nil
}
