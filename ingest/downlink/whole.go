package downlink

import (
	"context"
	"math"
	"slices"
	"time"

	"headgate/shardlog"
)

// open makes what reads a stream as a whole for a session. resumed: it goes on
// where the subscription says. Kinds: NotFound, as of shardlog.Reader.
func (f *Follower) open(ctx context.Context, in *Inbox, s Subscription, resumed bool) error {
	part := &Inbox{client: in.client, signal: in.signal, follower: f, at: map[shardlog.ShardID]position{}, read: map[shardlog.ShardID]struct{}{}, via: s.Name(), whole: true, narrow: s.Shard != "", subs: []Subscription{s}}
	if resumed {
		part.Settle(in.settled.out, in.settled.done)
	}
	if err := f.put(ctx, part, s, resumed); err != nil {
		return err
	}
	if old := in.part(part.via); old != nil {
		in.remove(old)
		f.shut(old)
	}
	f.mu.Lock()
	f.inboxes[part] = struct{}{}
	f.mu.Unlock()
	in.mu.Lock()
	in.parts = append(in.parts, part)
	in.mu.Unlock()
	if o, _ := s.origin(); o.kind == latest && !resumed { // it begins where others are
		for shard, pos := range part.places() {
			f.join(part, shard, pos.next, false)
		}
	}
	f.help(part)
	return nil
}

// put puts what reads a stream where it begins.
func (f *Follower) put(ctx context.Context, part *Inbox, s Subscription, resumed bool) error {
	name, _ := s.Stream()
	stream, there := f.cfg.Catalog.Stream(name)
	if !there && !resumed {
		return shardlog.Errorf(shardlog.NotFound, "subscribe", "stream %s", name)
	}
	if resumed {
		if _, goesOn := s.Starts[stream.ID]; goesOn {
			stream.Shards = slices.DeleteFunc(slices.Clone(stream.Shards), func(one shardlog.Shard) bool {
				_, noted := s.Starts[stream.ID].At[one.ID.Number]
				return part.narrow && !noted
			})
			return f.place(ctx, part, stream, s.Starts)
		}
		part.begin(stream) // it was made anew
		return nil
	}
	from, err := f.origins(ctx, stream, s)
	if err != nil {
		return err
	}
	part.mu.Lock()
	defer part.mu.Unlock()
	for shard, next := range from {
		part.at[shard] = position{next: next}
	}
	return nil
}

// origins is where a subscription to a stream begins: a place in each shard
// from which it is read. Parents come before their children because they have
// lower numbers. Kinds: Invalid, NotFound: it has no such shard.
func (f *Follower) origins(ctx context.Context, stream shardlog.Stream, s Subscription) (map[shardlog.ShardID]shardlog.Seq, error) {
	o, err := s.origin()
	if err != nil {
		return nil, err
	}
	all := map[shardlog.ShardID]shardlog.Seq{}
	for _, shard := range stream.Shards {
		if o.shard != nil && *o.shard != shard.ID.Number {
			continue
		}
		at := time.UnixMilli(math.MaxInt32 * 1000)
		switch o.kind {
		case earliest, fromSeq:
			all[shard.ID] = o.seq
			continue
		case fromTime:
			at = o.at
		}
		if o.shard == nil && shard.Closed && (o.kind == latest || shard.Ended.Before(at)) {
			continue
		}
		tip, err := f.cfg.Reader.Seek(ctx, shard.ID, at)
		if err != nil {
			return nil, err
		}
		all[shard.ID] = tip.Next
	}
	if o.shard != nil && len(all) == 0 {
		return nil, shardlog.Errorf(shardlog.NotFound, "subscribe", "shard %d of stream %s", *o.shard, stream.Name)
	}
	return all, nil
}

// wholly makes deliveries of all records of a page, and tells what is missing
// between them: what was given up, or expired before it was read.
func (f *Follower) wholly(in *Inbox, shard shardlog.ShardID, from shardlog.Seq, page shardlog.Page) (all []Delivery) {
	by := in.list()
	if len(by) == 0 {
		return nil
	}
	topic := by[0].Filter
	add := func(m Message, seq shardlog.Seq) {
		m.At, m.QoS = Place{Shard: shard, Seq: seq}, 2
		if d, ok := in.wants(&m, by); ok {
			all = append(all, d)
		}
	}
	missing := func(before shardlog.Seq) {
		if from > 0 && from < before {
			add(f.cfg.Gap(topic, gapOf(page, shard, from, before-1)), from)
		}
	}
	if from == 0 { // the beginning is where the records are, unless some were given up
		for _, gap := range page.Gaps {
			add(f.cfg.Gap(topic, gap), gap.First)
		}
	}
	for _, r := range page.Records {
		missing(r.Seq)
		add(f.cfg.Whole(topic, shard, r), r.Seq)
		from = r.Seq + 1
	}
	missing(page.Next.Next)
	return all
}

// gapOf says why records of a page are missing.
func gapOf(page shardlog.Page, shard shardlog.ShardID, first, last shardlog.Seq) shardlog.Gap {
	gap := shardlog.Gap{Shard: shard, First: first, Last: last, Records: uint64(last - first + 1), Reason: "expired"}
	for _, known := range page.Gaps {
		if known.First <= last && first <= known.Last {
			gap.Stream, gap.Reason, gap.At = known.Stream, known.Reason, known.At
		}
	}
	return gap
}

// places is where the session is in all shards.
func (in *Inbox) places() map[shardlog.ShardID]position {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make(map[shardlog.ShardID]position, len(in.at))
	for shard, pos := range in.at {
		all[shard] = pos
	}
	return all
}
