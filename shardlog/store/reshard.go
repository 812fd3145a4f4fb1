package store

import (
	"slices"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// splitShard closes a shard and opens two.
func (a *applying) splitShard(c shardlog.SplitShard) shardlog.Outcome {
	st, parents, err := a.open("split shard", c.Shard)
	if err != nil {
		return shardlog.Outcome{Err: err}
	}
	low, high, err := keyspace.Split(rangeOf(parents[0]), c.Start)
	if err != nil {
		return shardlog.Outcome{Err: err}
	}
	if st.openShards() >= shardlog.MaxShardsByStream {
		return shardlog.Outcome{Err: shardlog.Errorf(shardlog.LimitExceeded, "split shard", "%s has %d open shards already", st.Name, shardlog.MaxShardsByStream)}
	}
	a.reshard(st, c.At, parents, low, high)
	return shardlog.Outcome{Made: st.snapshot()}
}

// mergeShards closes two shards and opens one.
func (a *applying) mergeShards(c shardlog.MergeShards) shardlog.Outcome {
	if c.Shard.Stream != c.Adjacent.Stream {
		return shardlog.Outcome{Err: shardlog.Errorf(shardlog.Invalid, "merge shards", "they are of two streams")}
	}
	st, parents, err := a.open("merge shards", c.Shard, c.Adjacent)
	if err != nil {
		return shardlog.Outcome{Err: err}
	}
	whole, err := keyspace.Merge(rangeOf(parents[0]), rangeOf(parents[1]))
	if err != nil {
		return shardlog.Outcome{Err: err}
	}
	a.reshard(st, c.At, parents, whole)
	return shardlog.Outcome{Made: st.snapshot()}
}

func rangeOf(s shardlog.Shard) keyspace.Range { return keyspace.Range{From: s.From, To: s.To} }

// open finds shards of one stream that take entries.
func (a *applying) open(op string, ids ...shardlog.ShardID) (st *stream, all []shardlog.Shard, err error) {
	for _, id := range ids {
		if st = a.st.byID[id.Stream]; st == nil {
			return nil, nil, &shardlog.Error{Kind: shardlog.NotFound, Op: op, Shard: &id}
		}
		sh := st.shardOf(id.Number)
		switch {
		case sh == nil:
			return nil, nil, &shardlog.Error{Kind: shardlog.NotFound, Op: op, Stream: st.Name, Shard: &id}
		case sh.Closed:
			return nil, nil, &shardlog.Error{Kind: shardlog.Moved, Op: op, Stream: st.Name, Shard: &id}
		}
		all = append(all, *sh)
	}
	return st, all, nil
}

func (st *stream) openShards() (n int) {
	for i := range st.Shards {
		if !st.Shards[i].Closed {
			n++
		}
	}
	return n
}

// reshard closes the parents and opens a shard for each range. What is under
// way to the parents is answered Moved, and finds the children.
func (a *applying) reshard(st *stream, at time.Time, parents []shardlog.Shard, ranges ...keyspace.Range) {
	if at.Before(a.st.tail.Stamp) {
		at = a.st.tail.Stamp
	}
	st.Shards = slices.Clone(st.Shards)
	for i := range parents {
		sh := st.shardOf(parents[i].ID.Number)
		sh.Closed, sh.Ended = true, at
		parents[i] = *sh
		a.touched = append(a.touched, sh.ID)
	}
	created := shardlog.ChildCreated(at, a.st.tail.Stamp, parents...)
	number := st.Shards[len(st.Shards)-1].ID.Number
	for _, r := range ranges {
		number++
		child := shardlog.Shard{ID: shardlog.ShardID{Stream: st.ID, Number: number}, Created: created, From: r.From, To: r.To,
			Parent: &parents[0].ID.Number, Next: 1, Oldest: 1, Kept: 1}
		if len(parents) > 1 {
			child.Adjacent = &parents[1].ID.Number
		}
		st.Shards = append(st.Shards, child)
	}
	a.st.dirty.streams[st.ID] = struct{}{}
	a.flushNow()
}

// forget drops closed shards that hold nothing any more and ended before what
// readers see.
func (st *stream) forget() {
	st.Shards = slices.DeleteFunc(st.Shards, func(s shardlog.Shard) bool {
		return s.Closed && s.Kept == s.Next && s.Ended.Before(st.horizon)
	})
}
