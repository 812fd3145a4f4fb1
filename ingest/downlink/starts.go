package downlink

import (
	"context"
	"maps"
	"math"
	"time"

	"headgate/shardlog"
)

// Start is where a session goes on in one stream.
type Start struct {
	Newest uint32 // the newest shard when it was noted: those made later are read from their beginning
	At     map[uint32]shardlog.Seq
}

// place puts a session into the shards of a stream, unless it is there.
func (f *Follower) place(ctx context.Context, in *Inbox, stream shardlog.Stream, starts map[shardlog.StreamID]Start) error {
	start, goesOn := starts[stream.ID]
	for _, shard := range stream.Shards {
		in.mu.Lock()
		_, known := in.at[shard.ID]
		in.mu.Unlock()
		if known {
			continue
		}
		pos, noted := start.At[shard.ID.Number]
		switch {
		case noted:
		case goesOn && shard.ID.Number > start.Newest: // it is new
		case goesOn || shard.Closed: // it was read to its end
			in.mu.Lock()
			in.read[shard.ID] = struct{}{}
			in.mu.Unlock()
			continue
		default:
			tip, err := f.cfg.Reader.Seek(ctx, shard.ID, time.UnixMilli(math.MaxInt32*1000))
			if err != nil {
				return err
			}
			pos = tip.Next
		}
		in.mu.Lock()
		if _, known := in.at[shard.ID]; !known {
			in.at[shard.ID] = position{next: pos, missed: goesOn}
		}
		in.mu.Unlock()
		if !goesOn {
			f.join(in, shard.ID, pos, true)
		}
	}
	return nil
}

// Starts is where a session goes on: behind all that it is done with.
func (f *Follower) Starts(in *Inbox) map[shardlog.StreamID]Start {
	f.mu.Lock()
	tails := maps.Clone(f.tails)
	f.mu.Unlock()
	ends := make(map[shardlog.ShardID]shardlog.Seq, len(tails))
	for shard, t := range tails {
		ends[shard] = shardlog.Seq(t.next.Load()) // before the inbox is looked at: what is offered meanwhile lies behind
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	starts := map[shardlog.StreamID]Start{}
	note := func(shard shardlog.ShardID, next shardlog.Seq) {
		start, known := starts[shard.Stream]
		if !known {
			start.At = map[uint32]shardlog.Seq{}
			if s, there := f.cfg.Catalog.StreamByID(shard.Stream); there && len(s.Shards) > 0 {
				start.Newest = in.newest(s)
			}
		}
		if before, known := start.At[shard.Number]; !known || next < before {
			start.At[shard.Number] = next
		}
		starts[shard.Stream] = start
	}
	for shard, pos := range in.at {
		next := pos.next
		if end, followed := ends[shard]; pos.live && followed {
			next = max(next, end)
		}
		note(shard, next)
	}
	for _, h := range in.out {
		if !h.done {
			note(h.Shard, h.Seq)
		}
	}
	for id, start := range starts {
		stream, _ := f.cfg.Catalog.StreamByID(id)
		for _, shard := range stream.Shards {
			_, noted := start.At[shard.ID.Number]
			if _, read := in.read[shard.ID]; !noted && !read && shard.ID.Number <= start.Newest && in.awaits(stream, shard) {
				start.At[shard.ID.Number] = 0 // its turn has not come
			}
		}
	}
	return starts
}

// endOf is behind what was offered of a shard by whoever follows it here.
func (f *Follower) endOf(shard shardlog.ShardID) shardlog.Seq {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tails[shard]; t != nil {
		return shardlog.Seq(t.next.Load())
	}
	return 0
}

// newest is the newest shard of a stream that the session has a place in or is
// done with: younger ones are read from their beginning. The caller holds mu.
func (in *Inbox) newest(s shardlog.Stream) (number uint32) {
	for shard := range in.at {
		if shard.Stream == s.ID {
			number = max(number, shard.Number)
		}
	}
	return number
}
