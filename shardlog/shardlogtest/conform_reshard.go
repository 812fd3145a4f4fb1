package shardlogtest

import (
	"fmt"
	"sync"
	"time"

	"headgate/shardlog"
)

var reshardClauses = []clause{
	{"a split shard closes and has two children", reshardSplit},
	{"merged shards close and have one child", reshardMerge},
	{"what cannot be split or merged is refused", reshardInvalid},
	{"the order of a key holds across splits and merges under load", reshardUnderLoad},
}

// middle is the middle of a shard's range, about.
func middle(s shardlog.Shard) shardlog.Hash {
	return shardlog.Hash{Hi: s.From.Hi/2 + s.To.Hi/2 + 1}
}

// shard is a shard of a stream as it is now.
func (b *bench) shard(name shardlog.StreamName, number uint32) shardlog.Shard {
	s, ok := b.now(name).Shard(number)
	if !ok {
		b.Fatalf("%s has no shard %d", name, number)
	}
	return s
}

func reshardSplit(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("before", 5)...)
	start := middle(s.Shards[0])
	if err := b.SplitShard(b.ctx, s.Shards[0].ID, start); err != nil {
		b.Fatal(err)
	}
	parent, low, high := b.shard(s.Name, 0), b.shard(s.Name, 1), b.shard(s.Name, 2)
	if !parent.Closed || parent.Ended.IsZero() || parent.Next != 6 {
		b.Errorf("parent %+v", parent)
	}
	if low.From != parent.From || high.From != start || high.To != parent.To || low.Closed || high.Closed {
		b.Errorf("children %+v, %+v", low, high)
	}
	for _, child := range []shardlog.Shard{low, high} {
		if child.Parent == nil || *child.Parent != 0 || child.Adjacent != nil || child.Next != 1 {
			b.Errorf("child %+v", child)
		}
		if child.Number(1, child0(child)).String() <= parent.Number(parent.Next-1, parent.Ended).String() || child.First().String() <= parent.Last().String() {
			b.Errorf("numbers of %v do not sort above its parent's", child.ID)
		}
	}
	page := b.read(parent.ID, shardlog.Cursor{}, wide)
	if len(page.Records) != 5 || !page.End {
		b.Errorf("%d records of the parent, end %v", len(page.Records), page.End)
	}
	if err := b.Wait(b.ctx, parent.ID, parent.Next); err != nil {
		b.Errorf("wait behind a closed shard: %v", err)
	}
	for _, r := range b.put(s.Name, entries("after", 20)...) {
		if r.Shard.Number == 0 {
			b.Errorf("%v went to the closed shard", r.Number)
		}
	}
	b.wants(b.SplitShard(b.ctx, s.Shards[0].ID, start), shardlog.Moved)
}

// child0 is a moment at which a child's first record may have come.
func child0(s shardlog.Shard) time.Time { return time.Unix(int64(s.Created), 0) }

func reshardMerge(b *bench) {
	s := b.stream(3)
	b.put(s.Name, entries("before", 30)...)
	if err := b.MergeShards(b.ctx, s.Shards[1].ID, s.Shards[0].ID); err != nil {
		b.Fatal(err)
	}
	child := b.shard(s.Name, 3)
	if child.From != s.Shards[0].From || child.To != s.Shards[1].To || child.Parent == nil || *child.Parent != 1 || child.Adjacent == nil || *child.Adjacent != 0 {
		b.Errorf("child %+v", child)
	}
	for n := range uint32(2) {
		if p := b.shard(s.Name, n); !p.Closed || child.First().String() <= p.Last().String() {
			b.Errorf("parent %+v", p)
		}
	}
	for _, r := range b.put(s.Name, entries("after", 30)...) {
		if r.Shard.Number < 2 {
			b.Errorf("%v went to a closed shard", r.Number)
		}
	}
}

func reshardInvalid(b *bench) {
	s, other := b.stream(3), b.stream(2)
	b.wants(b.SplitShard(b.ctx, s.Shards[0].ID, s.Shards[0].From), shardlog.Invalid)
	b.wants(b.SplitShard(b.ctx, s.Shards[0].ID, s.Shards[1].From), shardlog.Invalid)
	b.wants(b.SplitShard(b.ctx, shardlog.ShardID{Stream: s.ID, Number: 99}, middle(s.Shards[0])), shardlog.NotFound)
	b.wants(b.SplitShard(b.ctx, shardlog.ShardID{Stream: 1 << 30}, middle(s.Shards[0])), shardlog.NotFound)
	b.wants(b.MergeShards(b.ctx, s.Shards[0].ID, s.Shards[2].ID), shardlog.Invalid)
	b.wants(b.MergeShards(b.ctx, s.Shards[0].ID, s.Shards[0].ID), shardlog.Invalid)
	b.wants(b.MergeShards(b.ctx, s.Shards[0].ID, other.Shards[1].ID), shardlog.Invalid)
	if n := len(b.now(s.Name).Shards); n != 3 {
		b.Errorf("%d shards", n)
	}
}

// reshardUnderLoad puts in one goroutine a key while shards split and merge,
// then reads the lineage from the roots and wants each key's records once and
// in order.
func reshardUnderLoad(b *bench) {
	s := b.stream(2)
	const keys, records = 6, 60
	var group sync.WaitGroup
	for k := range keys {
		group.Go(func() {
			for n := range records {
				b.patientPut(s.Name, shardlog.Entry{Key: fmt.Sprint("key", k), Data: fmt.Append(nil, n)})
			}
		})
	}
	for range 3 {
		all := b.now(s.Name).Shards
		last := all[len(all)-1]
		if err := b.SplitShard(b.ctx, last.ID, middle(last)); err != nil {
			b.Errorf("split: %v", err)
		}
		all = b.now(s.Name).Shards
		if err := b.MergeShards(b.ctx, all[len(all)-2].ID, all[len(all)-1].ID); err != nil {
			b.Errorf("merge: %v", err)
		}
	}
	group.Wait()
	next := map[string]int{}
	for _, sh := range b.now(s.Name).Shards { // parents have smaller numbers
		for _, r := range b.all(sh.ID) {
			if want := fmt.Sprint(next[r.Key]); string(r.Data) != want {
				b.Fatalf("%s: record %s in %v, want %s", r.Key, r.Data, sh.ID, want)
			}
			next[r.Key]++
		}
	}
	for k, n := range next {
		if n != records {
			b.Errorf("%s has %d records", k, n)
		}
	}
	if len(next) != keys {
		b.Errorf("%d keys", len(next))
	}
}
