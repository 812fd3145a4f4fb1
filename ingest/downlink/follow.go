package downlink

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// Config is what a Follower needs.
type Config struct {
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	// Read makes a Message of a record; false: it is none that devices are sent.
	// At is filled in by the Follower.
	Read func(r shardlog.Record) (Message, bool)
	// Streams are those that messages lie in whose topics match a filter.
	Streams func(filter string) []shardlog.StreamName
	Log     *slog.Logger
}

// Follower reads the log for all sessions of this gateway: what comes once for
// all who are at the shard's end, and what somebody missed for that one.
type Follower struct {
	cfg   Config
	index index
	work  chan func(ctx context.Context) // for Run to start
	cold  chan struct{}                  // a token for each session that may catch up at once
	over  chan struct{}                  // closed when Run has ended

	dropped atomic.Uint64

	mu      sync.Mutex
	tails   map[shardlog.ShardID]*tail // guarded by mu
	inboxes map[*Inbox]struct{}        // guarded by mu: those that are open
}

// tail follows the end of one shard.
type tail struct {
	shard shardlog.ShardID
	next  atomic.Uint64 // behind the last that was offered; written with mu held

	mu    sync.Mutex
	live  map[*Inbox]struct{} // guarded by mu; nil: the tail has ended
	leave context.CancelFunc
}

// Bounds of reading.
const (
	catchUps    = 8         // sessions that catch up at once
	pageRecords = 500       // of one read
	pageBytes   = 512 << 10 // of one read
	again       = time.Second
)

// NewFollower makes one; nothing is read before Run.
func NewFollower(c Config) *Follower {
	return &Follower{cfg: c, work: make(chan func(context.Context), 64), cold: make(chan struct{}, catchUps), over: make(chan struct{}), tails: map[shardlog.ShardID]*tail{}, inboxes: map[*Inbox]struct{}{}}
}

// Run reads until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	defer close(f.over)
	var group sync.WaitGroup
	defer group.Wait()
	look := time.NewTicker(again)
	defer look.Stop()
	var known []shardlog.StreamID
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if streams := f.streams(); !slices.Equal(streams, known) {
				known = streams
				group.Go(f.discover)
			}
		case work := <-f.work:
			group.Go(func() { work(ctx) })
		}
	}
}

// start has Run do something. After Run has ended nothing is done.
func (f *Follower) start(work func(ctx context.Context)) {
	select {
	case f.work <- work:
	case <-f.over:
	}
}

// Start is where a session goes on in one stream.
type Start struct {
	Newest uint32 // the newest shard when it was noted: those made later are read from their beginning
	At     map[uint32]shardlog.Seq
}

// Open makes the inbox of a session that has no subscription yet. signal is
// called, without locks held, when something may be taken.
func (f *Follower) Open(client string, signal func()) *Inbox {
	in := &Inbox{client: client, signal: signal, follower: f, at: map[shardlog.ShardID]position{}}
	f.mu.Lock()
	f.inboxes[in] = struct{}{}
	f.mu.Unlock()
	return in
}

// streams are those that there are.
func (f *Follower) streams() (all []shardlog.StreamID) {
	for _, s := range f.cfg.Catalog.Streams() {
		all = append(all, s.ID)
	}
	return all
}

// discover puts sessions into streams that were made after they subscribed:
// what lies there is new to them all.
func (f *Follower) discover() {
	f.mu.Lock()
	all := slices.Collect(maps.Keys(f.inboxes))
	f.mu.Unlock()
	for _, in := range all {
		for _, s := range in.Subscriptions() {
			for _, name := range f.cfg.Streams(s.Filter) {
				if stream, there := f.cfg.Catalog.Stream(name); there && in.begin(stream) {
					f.help(in)
				}
			}
		}
	}
}

// Subscribe adds a subscription. What is published from now on is sent.
func (f *Follower) Subscribe(ctx context.Context, in *Inbox, s Subscription) (replaced bool, err error) {
	if err := f.reach(ctx, in, s, nil); err != nil {
		return false, err
	}
	replaced = f.enter(in, s)
	f.help(in)
	return replaced, nil
}

// Resume takes up a session with all its subscriptions: what was published
// since it was left is sent.
func (f *Follower) Resume(ctx context.Context, in *Inbox, subs []Subscription, starts map[shardlog.StreamID]Start) error {
	for _, s := range subs {
		if err := f.reach(ctx, in, s, starts); err != nil {
			return err
		}
	}
	for _, s := range subs {
		f.enter(in, s)
	}
	f.help(in) // not before: what is read is matched with all of them
	return nil
}

// enter notes a subscription, in place of one of the same name.
func (f *Follower) enter(in *Inbox, s Subscription) (replaced bool) {
	replaced = f.index.add(in, s)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.subs = append(slices.DeleteFunc(in.subs, func(old Subscription) bool { return old.Name() == s.Name() }), s)
	return replaced
}

// reach puts a session into the streams in which a subscription's messages lie.
func (f *Follower) reach(ctx context.Context, in *Inbox, s Subscription, starts map[shardlog.StreamID]Start) error {
	for _, name := range f.cfg.Streams(s.Filter) {
		stream, there := f.cfg.Catalog.Stream(name)
		if !there {
			continue
		}
		if err := f.place(ctx, in, stream, starts); err != nil {
			return err
		}
	}
	return nil
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
		case goesOn || shard.Closed:
			continue // it was read to its end
		default:
			tip, err := f.cfg.Reader.Seek(ctx, shard.ID, time.UnixMilli(math.MaxInt32*1000))
			if err != nil {
				return err
			}
			pos = tip.Next
		}
		in.mu.Lock()
		if _, known := in.at[shard.ID]; !known {
			in.at[shard.ID] = position{next: pos, missed: goesOn, alone: goesOn}
		}
		in.mu.Unlock()
		if !goesOn {
			f.join(in, shard.ID, pos, true)
		}
	}
	return nil
}

// Fetch reads one message again for a session, false when it is gone or none
// of its subscriptions has it any more. Kinds as of shardlog.Reader, without
// NotFound.
func (f *Follower) Fetch(ctx context.Context, in *Inbox, p Place) (d Delivery, ok bool, err error) {
	page, err := f.cfg.Reader.Read(ctx, p.Shard, shardlog.Cursor{Next: p.Seq}, shardlog.Budget{Records: 1, Bytes: pageBytes})
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return d, false, err
	}
	if len(page.Records) == 0 || page.Records[0].Seq != p.Seq {
		return d, false, nil
	}
	m, ok := f.read(p.Shard, page.Records[0])
	if !ok {
		return d, false, nil
	}
	d, ok = in.wants(m, slices.DeleteFunc(in.Subscriptions(), func(s Subscription) bool { return !s.Matches(m.Topic) }))
	return d, ok, nil
}

// Dropped is how many messages of QoS 0 there was no room for.
func (f *Follower) Dropped() uint64 { return f.dropped.Load() }

// Subscriptions are how many there are of sessions that are here.
func (f *Follower) Subscriptions() int {
	f.index.mu.RLock()
	defer f.index.mu.RUnlock()
	return f.index.count
}

// Unsubscribe removes the subscription of that name; false when there is none.
func (f *Follower) Unsubscribe(in *Inbox, name string) bool {
	in.mu.Lock()
	i := slices.IndexFunc(in.subs, func(s Subscription) bool { return s.Name() == name })
	if i < 0 {
		in.mu.Unlock()
		return false
	}
	s := in.subs[i]
	in.subs = slices.Delete(in.subs, i, i+1)
	in.mu.Unlock()
	f.index.remove(in, s)
	return true
}

// Close ends an inbox, and answers where its session goes on and with which
// subscriptions.
func (f *Follower) Close(in *Inbox) (subs []Subscription, starts map[shardlog.StreamID]Start) {
	starts = f.Starts(in)
	in.mu.Lock()
	in.closed = true
	subs, in.subs = in.subs, nil
	in.queue = nil
	in.mu.Unlock()
	for _, s := range subs {
		f.index.remove(in, s)
	}
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.tails))
	delete(f.inboxes, in)
	f.mu.Unlock()
	for _, t := range all {
		t.drop(in)
	}
	return subs, starts
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
			if _, noted := start.At[shard.ID.Number]; !noted && shard.ID.Number <= start.Newest && in.awaits(stream, shard) {
				start.At[shard.ID.Number] = 0 // its turn has not come
			}
		}
	}
	return starts
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

func (f *Follower) read(shard shardlog.ShardID, r shardlog.Record) (*Message, bool) {
	m, ok := f.cfg.Read(r)
	m.At = Place{shard, r.Seq}
	return &m, ok
}

// join makes a session live in a shard. If what comes there is followed, and
// that is farther by now, it cannot, unless it is fresh and need not have what
// came just before.
func (f *Follower) join(in *Inbox, shard shardlog.ShardID, next shardlog.Seq, fresh bool) {
	f.mu.Lock()
	t := f.tails[shard]
	if t == nil {
		own, leave := context.WithCancel(context.Background())
		t = &tail{shard: shard, live: map[*Inbox]struct{}{in: {}}, leave: leave}
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
		t.live[in] = struct{}{}
	}
}

// golive makes the session live; false when it has closed.
func (in *Inbox) golive(shard shardlog.ShardID, next shardlog.Seq) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
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
	if delete(t.live, in); len(t.live) == 0 {
		t.leave()
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
	f.index.match(m.Topic, func(in *Inbox) bool { return in.isReady(t.shard) }, func(in *Inbox, s Subscription) {
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

// isReady reports whether a session takes what comes in a shard.
func (in *Inbox) isReady(shard shardlog.ShardID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.closed && in.at[shard].live && in.room(0)
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
	t.live = nil
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

// pause waits, or answers why not.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
