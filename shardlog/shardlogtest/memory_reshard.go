package shardlogtest

import (
	"context"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// SplitShard is part of the contract Control.
func (m *Memory) SplitShard(ctx context.Context, id shardlog.ShardID, start shardlog.Hash) error {
	return m.reshard(ctx, "split shard", func(parents []*shard) ([]keyspace.Range, error) {
		low, high, err := keyspace.Split(keyspace.Range{From: parents[0].From, To: parents[0].To}, start)
		return []keyspace.Range{low, high}, err
	}, id)
}

// MergeShards is part of the contract Control.
func (m *Memory) MergeShards(ctx context.Context, id, adjacent shardlog.ShardID) error {
	if id.Stream != adjacent.Stream {
		return shardlog.Errorf(shardlog.Invalid, "merge shards", "they are of two streams")
	}
	return m.reshard(ctx, "merge shards", func(parents []*shard) ([]keyspace.Range, error) {
		a, b := parents[0], parents[1]
		whole, err := keyspace.Merge(keyspace.Range{From: a.From, To: a.To}, keyspace.Range{From: b.From, To: b.To})
		return []keyspace.Range{whole}, err
	}, id, adjacent)
}

// reshard closes shards and opens others in their place.
func (m *Memory) reshard(ctx context.Context, op string, divide func([]*shard) ([]keyspace.Range, error), ids ...shardlog.ShardID) error {
	if err := m.begin(ctx, op); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var s *stream
	var parents []*shard
	for _, id := range ids {
		of, parent, err := m.shard(op, id)
		if err != nil {
			return err
		}
		if parent.Closed {
			return &shardlog.Error{Kind: shardlog.Moved, Op: op, Shard: &id}
		}
		s, parents = of, append(parents, parent)
	}
	ranges, err := divide(parents)
	if err != nil {
		return err
	}
	m.index++
	now := m.tick()
	var closed []shardlog.Shard
	for _, p := range parents {
		p.Closed, p.Ended = true, now
		closed = append(closed, p.Shard)
	}
	created := shardlog.ChildCreated(now, now, closed...)
	for _, r := range ranges {
		child := m.addShard(s, r, created)
		child.Parent = &closed[0].ID.Number
		if len(closed) > 1 {
			child.Adjacent = &closed[1].ID.Number
		}
	}
	s.reroute()
	for _, p := range parents {
		p.wake()
	}
	return nil
}
