package main

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"
)

// lineage reads every shard of a stream, and a child when all its parents have
// been read to their end: what a KCL does with its leases.
type lineage struct {
	read func(ctx context.Context, shard string) ([]types.ChildShard, error) // to its end

	mu   sync.Mutex
	done map[string]bool // guarded by mu: shards read to their end
	seen map[string]bool // guarded by mu: shards whose reading has begun
	all  errgroup.Group
}

// follow reads on until ctx ends.
func follow(ctx context.Context, k *kinesis.Client, stream string, read func(context.Context, string) ([]types.ChildShard, error)) error {
	first, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}})
	if err != nil {
		return err
	}
	l := &lineage{read: read, done: map[string]bool{}, seen: map[string]bool{}}
	l.mu.Lock()
	for _, s := range first.Shards {
		l.begin(ctx, *s.ShardId)
	}
	l.mu.Unlock()
	return l.all.Wait()
}

// begin reads a shard and then its children. It is called with mu held.
func (l *lineage) begin(ctx context.Context, shard string) {
	if l.seen[shard] {
		return
	}
	l.seen[shard] = true
	l.all.Go(func() error {
		children, err := l.read(ctx, shard)
		if err != nil || ctx.Err() != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done[shard] = true
		for _, child := range children {
			if l.ended(child.ParentShards) {
				l.begin(ctx, aws.ToString(child.ShardId))
			}
		}
		return nil
	})
}

// ended reports whether these shards were read. It is called with mu held.
func (l *lineage) ended(shards []string) bool {
	for _, s := range shards {
		if !l.done[s] {
			return false
		}
	}
	return true
}
