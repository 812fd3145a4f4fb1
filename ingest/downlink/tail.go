package downlink

import (
	"context"
	"sync"
	"sync/atomic"

	"headgate/shardlog"
)

// tail follows the end of one shard.
type tail struct {
	shard shardlog.ShardID
	next  atomic.Uint64 // behind the last that was offered; written with mu held

	mu    sync.Mutex
	live  map[*Inbox]struct{} // guarded by mu; nil: the tail has ended
	whole map[*Inbox]struct{} // guarded by mu: those of live that want every record
	leave context.CancelFunc
}

// join makes a session live in a shard. If what comes there is followed, and
// that is farther by now, it cannot, unless it is fresh and need not have what
// came just before.
func (f *Follower) join(in *Inbox, shard shardlog.ShardID, next shardlog.Seq, fresh bool) {
	f.mu.Lock()
	t := f.tails[shard]
	if t == nil {
		own, leave := context.WithCancel(context.Background())
		t = &tail{shard: shard, live: map[*Inbox]struct{}{}, whole: map[*Inbox]struct{}{}, leave: leave}
		t.enter(in)
		t.next.Store(uint64(next))
		f.tails[shard] = t
		f.mu.Unlock()
		if !in.golive(shard, next) {
			t.drop(in)
		}
		f.start(func(ctx context.Context) { f.follow(ctx, own, t) })
		return
	}
	f.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	end := shardlog.Seq(t.next.Load())
	if fresh {
		next = max(next, end)
	}
	if t.live != nil && next >= end && in.golive(shard, next) {
		t.enter(in)
	}
}

// enter adds a session. The caller holds mu, or nobody knows t yet.
func (t *tail) enter(in *Inbox) {
	t.live[in] = struct{}{}
	if in.whole {
		t.whole[in] = struct{}{}
	}
}

// golive makes the session live; false when it has closed, or has no place there.
func (in *Inbox) golive(shard shardlog.ShardID, next shardlog.Seq) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.at[shard]; in.closed || !known {
		return false
	}
	in.at[shard] = position{next: next, live: true}
	return true
}

// drop takes a session out; a tail without any ends.
func (t *tail) drop(in *Inbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		return
	}
	delete(t.whole, in)
	if delete(t.live, in); len(t.live) == 0 {
		t.leave()
	}
}

// leaveTail takes a session out of what follows a shard.
func (f *Follower) leaveTail(in *Inbox, shard shardlog.ShardID) {
	f.mu.Lock()
	t := f.tails[shard]
	f.mu.Unlock()
	if t != nil {
		t.drop(in)
	}
}

// follow offers what comes to all who are live, until nobody is.
func (f *Follower) follow(ctx, own context.Context, t *tail) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(own, stop)()
	for {
		ended, err := f.offers(ctx, t)
		switch {
		case ended, ctx.Err() != nil, shardlog.KindOf(err) == shardlog.NotFound && err != nil:
			f.end(t)
			return
		case err != nil:
			f.cfg.Log.Warn("follow for subscribers", "shard", t.shard, "error", err)
			_ = pause(ctx, again) // the next round sees that ctx has ended
		}
	}
}

// offers waits for a page and offers it.
func (f *Follower) offers(ctx context.Context, t *tail) (ended bool, err error) {
	next := shardlog.Seq(t.next.Load())
	if err := f.cfg.Reader.Wait(ctx, t.shard, max(1, next)); err != nil {
		return false, err
	}
	page, err := f.cfg.Reader.Read(ctx, t.shard, shardlog.Cursor{Next: next}, shardlog.Budget{Records: pageRecords, Bytes: pageBytes})
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for in := range t.whole {
		for _, d := range f.wholly(in, t.shard, next, page) {
			if !in.offer(d) {
				delete(t.live, in)
				delete(t.whole, in)
				f.help(in)
				break
			}
		}
	}
	for _, r := range page.Records {
		if m, ok := f.read(t.shard, r); ok {
			f.dispatch(t, m)
		}
	}
	t.next.Store(uint64(page.Next.Next))
	return page.End, nil
}

// dispatch offers a message to all whose subscriptions match. The caller holds
// the tail's mu.
func (f *Follower) dispatch(t *tail, m *Message) {
	var by map[*Inbox][]Subscription // most messages match none
	f.index.match(m.Topic, func(in *Inbox, s Subscription) {
		if _, live := t.live[in]; !live {
			return
		}
		if by == nil {
			by = map[*Inbox][]Subscription{}
		}
		by[in] = append(by[in], s)
	})
	for in, subs := range by {
		if d, ok := in.wants(m, subs); ok && !in.offer(d) {
			delete(t.live, in)
			f.help(in)
		}
	}
}

// end ends a tail: those who are live catch up from where it ended.
func (f *Follower) end(t *tail) {
	f.mu.Lock()
	if f.tails[t.shard] == t {
		delete(f.tails, t.shard)
	}
	f.mu.Unlock()
	t.mu.Lock()
	live := t.live
	t.live, t.whole = nil, nil
	t.leave()
	t.mu.Unlock()
	for in := range live {
		in.mu.Lock()
		if pos, known := in.at[t.shard]; known && pos.live {
			in.at[t.shard] = position{next: max(pos.next, shardlog.Seq(t.next.Load()))}
		}
		in.mu.Unlock()
		f.help(in)
	}
}
