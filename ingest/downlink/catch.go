package downlink

import (
	"context"

	"headgate/ingest"
	"headgate/shardlog"
)

// help has somebody read for a session that is behind and has room.
func (f *Follower) help(in *Inbox) {
	in.mu.Lock()
	needed := !in.helped && !in.closed && len(in.queue) < queueMessages/2 && in.isBehind()
	in.helped = in.helped || needed
	in.mu.Unlock()
	if needed {
		f.start(func(ctx context.Context) { f.catchUp(ctx, in) })
	}
}

// isBehind reports whether it is in some shard. The caller holds mu.
func (in *Inbox) isBehind() bool {
	for _, pos := range in.at {
		if !pos.live {
			return true
		}
	}
	return false
}

// catchUp reads for one session until it has caught up everywhere, or its
// queue is full.
func (f *Follower) catchUp(ctx context.Context, in *Inbox) {
	select {
	case f.cold <- struct{}{}:
		defer func() { <-f.cold }()
	case <-ctx.Done():
		return
	}
	for full := false; !full && ctx.Err() == nil; {
		shard, next, ok := in.behind()
		if !ok {
			break
		}
		var err error
		if full, err = f.page(ctx, in, shard, next); err != nil {
			if shardlog.KindOf(err) == shardlog.NotFound { // the stream is gone
				in.mu.Lock()
				delete(in.at, shard)
				in.mu.Unlock()
				continue
			}
			f.cfg.Log.Warn("read for a subscriber", "client", in.client, "error", err)
			if pause(ctx, again) != nil {
				break
			}
		}
	}
	in.mu.Lock()
	in.helped = false
	in.mu.Unlock()
	f.help(in) // room was made, or it fell behind, meanwhile
}

// page reads one page of one shard for a session.
func (f *Follower) page(ctx context.Context, in *Inbox, shard shardlog.ShardID, next shardlog.Seq) (full bool, err error) {
	page, err := f.cfg.Reader.Read(ctx, shard, shardlog.Cursor{Next: next}, shardlog.Budget{Records: pageRecords, Bytes: pageBytes})
	if err != nil {
		return false, err
	}
	for _, gap := range page.Gaps { // else somebody would wait for a message that is no more
		f.cfg.Log.Warn("records that a subscriber had not read were given up", "client", in.client, "shard", shard, "gap", gap)
	}
	all := f.sift(in, shard, next, page)
	next, full = in.hand(shard, all, next, page.Next.Next)
	switch {
	case full:
	case page.End:
		if stream, there := f.cfg.Catalog.StreamByID(shard.Stream); there {
			in.finish(stream, shard)
		}
	case page.Tip:
		f.join(in, shard, next, false)
	}
	return full, nil
}

// sift makes the deliveries of a page that was read from a place on.
func (f *Follower) sift(in *Inbox, shard shardlog.ShardID, from shardlog.Seq, page shardlog.Page) (all []Delivery) {
	if in.whole {
		return f.wholly(in, shard, from, page)
	}
	subs, missed := compiled(in.list()), in.place(shard).missed
	var by []Subscription
	for _, r := range page.Records {
		m, ok := f.read(shard, r)
		if !ok {
			continue
		}
		by = by[:0]
		for _, s := range subs {
			if s.filter.Matches(m.Topic) {
				by = append(by, s.Subscription)
			}
		}
		if d, ok := in.wants(m, by); ok && (d.QoS > 0 || !missed) {
			all = append(all, d)
		}
	}
	return all
}

// compiledSubscription is a subscription that many topics are held against.
type compiledSubscription struct {
	Subscription
	filter ingest.Filter
}

func compiled(subs []Subscription) []compiledSubscription {
	all := make([]compiledSubscription, 0, len(subs))
	for _, s := range subs {
		if _, whole := s.Stream(); whole || s.Group != "" {
			continue // others read for them
		}
		if f, err := ingest.ParseFilter(s.Filter); err == nil { // it was checked
			all = append(all, compiledSubscription{s, f})
		}
	}
	return all
}
