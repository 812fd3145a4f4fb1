package main

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// push reads a stream with SubscribeToShard.
func push(ctx context.Context, k *kinesis.Client, stream string, into *reading) error {
	consumer, err := register(ctx, k, stream)
	if err != nil {
		return err
	}
	return follow(ctx, k, stream, func(ctx context.Context, shard string) ([]types.ChildShard, error) {
		at := types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
		for {
			children, over, err := subscribe(ctx, k, consumer, shard, &at, func(e *types.SubscribeToShardEvent) error {
				for _, r := range e.Records {
					if err := into.add(shard, *r.SequenceNumber, r.Data); err != nil {
						return err
					}
				}
				return nil
			})
			if over || ctx.Err() != nil {
				return children, nil
			}
			var busy *types.ResourceInUseException
			pause := 100 * time.Millisecond // killed just now
			if errors.As(err, &busy) {
				pause = time.Second // the subscription before is younger than five seconds
			}
			if err := wait(ctx, pause); err != nil {
				return nil, nil
			}
		}
	})
}

func register(ctx context.Context, k *kinesis.Client, stream string) (string, error) {
	d, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
	if err != nil {
		return "", err
	}
	r, err := k.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: d.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String("prover")})
	if err != nil {
		return "", err
	}
	return *r.Consumer.ConsumerARN, nil
}

// subscribe takes one subscription's events; at is moved to where the next one
// begins. over: the shard has ended.
func subscribe(ctx context.Context, k *kinesis.Client, consumer, shard string, at *types.StartingPosition,
	take func(*types.SubscribeToShardEvent) error) (children []types.ChildShard, over bool, err error) {
	position := *at
	out, err := k.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: &consumer, ShardId: &shard, StartingPosition: &position})
	if err != nil {
		return nil, false, err
	}
	events := out.GetStream()
	defer events.Close()
	for {
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case one, ok := <-events.Events():
			if !ok {
				return nil, false, events.Err()
			}
			event, ok := one.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if !ok {
				continue
			}
			if err := take(&event.Value); err != nil {
				return nil, false, err
			}
			if len(event.Value.ChildShards) > 0 {
				return event.Value.ChildShards, true, nil
			}
			*at = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: event.Value.ContinuationSequenceNumber}
		}
	}
}
