package downlink

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
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
	// Whole makes a Message, of any QoS, of a record of a stream that is sent as a
	// whole, Gap of records that are missing there.
	Whole func(topic string, shard shardlog.ShardID, r shardlog.Record) Message
	Gap   func(topic string, gap shardlog.Gap) Message
	// Streams are those that messages lie in whose topics match a filter.
	Streams func(filter string) []shardlog.StreamName
	Log     *slog.Logger

	// Of shared subscriptions, which are leased among the gateways of the site.
	States  shardlog.States
	Gateway uint64           // this one
	Now     func() time.Time // nil: time.Now
	Lease   time.Duration    // for which a gateway that is not heard of keeps its leases; zero: 30 s
}

// Follower reads the log for all sessions of this gateway: what comes once for
// all who are at the shard's end, and what somebody missed for that one.
type Follower struct {
	cfg    Config
	index  index
	shares *shares
	work   chan func(ctx context.Context) // for Run to start
	cold   chan struct{}                  // a token for each session that may catch up at once
	over   chan struct{}                  // closed when Run ends

	dropped atomic.Uint64
	newest  atomic.Uint32 // see Newest

	mu      sync.Mutex
	tails   map[shardlog.ShardID]*tail // guarded by mu
	inboxes map[*Inbox]struct{}        // guarded by mu: those that are open
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
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lease == 0 {
		c.Lease = 30 * time.Second
	}
	f := &Follower{cfg: c, work: make(chan func(context.Context), 64), cold: make(chan struct{}, catchUps), over: make(chan struct{}), tails: map[shardlog.ShardID]*tail{}, inboxes: map[*Inbox]struct{}{}}
	f.shares = newShares(f)
	return f
}

// Run reads until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	defer close(f.over)
	group.Go(func() { f.shares.run(ctx) })
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
				group.Go(func() { f.discover(slices.Max(append(streams, 0))) })
			}
		case work := <-f.work:
			group.Go(func() { work(ctx) })
		}
	}
}

// start has Run do something. Once Run ends nothing is done.
func (f *Follower) start(work func(ctx context.Context)) {
	select {
	case f.work <- work:
	case <-f.over:
	}
}

// Open makes the inbox of a session that has no subscription yet. signal is
// called, without locks held, when something may be taken.
func (f *Follower) Open(client string, signal func()) *Inbox {
	in := &Inbox{client: client, signal: signal, follower: f, at: map[shardlog.ShardID]position{}, read: map[shardlog.ShardID]struct{}{}}
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
func (f *Follower) discover(newest shardlog.StreamID) {
	f.mu.Lock()
	all := slices.Collect(maps.Keys(f.inboxes))
	f.mu.Unlock()
	for _, in := range all {
		for _, s := range in.list() {
			if _, whole := s.Stream(); s.Group != "" || whole != in.whole {
				continue // others read for it
			}
			for _, name := range f.streamsOf(s) {
				if stream, there := f.cfg.Catalog.Stream(name); there && in.begin(stream) {
					f.help(in)
				}
			}
		}
	}
	for before := f.newest.Load(); uint32(newest) > before && !f.newest.CompareAndSwap(before, uint32(newest)); before = f.newest.Load() {
	}
}

// Newest is the newest stream in which all sessions that are open have found
// their place; zero: not known yet. It is noted with a session, before Starts.
func (f *Follower) Newest() shardlog.StreamID { return shardlog.StreamID(f.newest.Load()) }

// streamsOf are the streams in which a subscription's messages lie.
func (f *Follower) streamsOf(s Subscription) []shardlog.StreamName {
	if name, whole := s.Stream(); whole {
		return []shardlog.StreamName{name}
	}
	return f.cfg.Streams(s.Filter)
}

// Subscribe adds a subscription. What is published from now on is sent, or what
// a stream has from where it is asked for. One of the same name is replaced: to
// a stream it goes on where it is, unless it is to begin elsewhere than before.
// Kinds: Invalid, NotFound: there is no such stream or shard; as of
// shardlog.Reader and shardlog.States.
func (f *Follower) Subscribe(ctx context.Context, in *Inbox, s Subscription) (replaced bool, err error) {
	before := in.named(s.Name())
	switch _, whole := s.Stream(); {
	case s.Group != "":
		err = f.share(ctx, in, s, false)
	case whole && before != nil && before.From == s.From && before.Shard == s.Shard:
		in.part(s.Name()).change(s)
	case whole:
		err = f.open(ctx, in, s, false)
	default:
		err = f.reach(ctx, in, s, nil, 0)
	}
	if err != nil {
		return false, err
	}
	f.enter(in, s)
	f.help(in)
	return before != nil, nil
}

// Resume takes up a session with all its subscriptions: what was published
// since it was left is sent, in streams that are younger than newest all there
// is. After an error the inbox is to be closed.
func (f *Follower) Resume(ctx context.Context, in *Inbox, subs []Subscription, starts map[shardlog.StreamID]Start, newest shardlog.StreamID) error {
	for _, s := range subs {
		var err error
		switch _, whole := s.Stream(); {
		case s.Group != "":
			err = f.share(ctx, in, s, true)
		case whole:
			err = f.open(ctx, in, s, true)
		default:
			err = f.reach(ctx, in, s, starts, newest)
		}
		if err != nil {
			return err
		}
		f.enter(in, s)
	}
	f.help(in) // not before: what is read is matched with all of them
	return nil
}

// enter notes a subscription, in place of one of the same name.
func (f *Follower) enter(in *Inbox, s Subscription) {
	s.Starts = nil // they move on
	if _, whole := s.Stream(); !whole && s.Group == "" {
		f.index.add(in, s)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.subs = append(slices.DeleteFunc(in.subs, func(old Subscription) bool { return old.Name() == s.Name() }), s)
}

// reach puts a session into the streams in which a subscription's messages lie.
// One younger than newest, unless that is zero, is read from its beginning.
func (f *Follower) reach(ctx context.Context, in *Inbox, s Subscription, starts map[shardlog.StreamID]Start, newest shardlog.StreamID) error {
	for _, name := range f.cfg.Streams(s.Filter) {
		stream, there := f.cfg.Catalog.Stream(name)
		if !there {
			continue
		}
		if _, noted := starts[stream.ID]; !noted && newest > 0 && stream.ID > newest {
			in.begin(stream)
			continue
		}
		if err := f.place(ctx, in, stream, starts); err != nil {
			return err
		}
	}
	return nil
}

// Fetch reads one message again for a session, false when it is gone, none of
// its subscriptions has it any more, or it went to another member of a group.
// Kinds as of shardlog.Reader, without NotFound.
func (f *Follower) Fetch(ctx context.Context, in *Inbox, p Place) (d Delivery, ok bool, err error) {
	page, err := f.cfg.Reader.Read(ctx, p.Shard, shardlog.Cursor{Next: p.Seq}, shardlog.Budget{Records: 1, Bytes: pageBytes})
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return d, false, err
	}
	if len(page.Records) == 0 || page.Records[0].Seq != p.Seq {
		return d, false, nil
	}
	m, ok := f.read(p.Shard, page.Records[0])
	var by []Subscription
	for _, s := range in.list() {
		_, whole := s.Stream()
		switch {
		case s.via() != p.Via, !whole && !s.Matches(m.Topic):
			continue
		case whole:
			one := f.cfg.Whole(s.Filter, p.Shard, page.Records[0])
			one.At, one.QoS = m.At, 2
			m, ok = &one, true
		}
		by = append(by, s)
	}
	if !ok {
		return d, false, nil
	}
	d, ok = in.wants(m, by)
	if d.via = p.Via; strings.HasPrefix(p.Via, sharePrefix) && d.QoS < 2 {
		return d, false, nil
	}
	return d, ok, nil
}

// Dropped is how many messages of QoS 0 there was no room for.
func (f *Follower) Dropped() uint64 { return f.dropped.Load() }

// Subscriptions are how many there are of sessions that are here.
func (f *Follower) Subscriptions() (n int) {
	f.mu.Lock()
	all := slices.Collect(maps.Keys(f.inboxes))
	f.mu.Unlock()
	for _, in := range all {
		if in.via == "" {
			n += len(in.list())
		}
	}
	return n
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
	if s.Group != "" {
		f.leave(in, s, false, nil)
	} else if part := in.part(name); part != nil {
		in.remove(part)
		f.shut(part)
	} else {
		f.index.remove(in, s)
	}
	return true
}

// Close ends an inbox, and answers where its session goes on and with which
// subscriptions. kept is what the session keeps as sent and not answered.
func (f *Follower) Close(in *Inbox, kept []Unanswered) (subs []Subscription, starts map[shardlog.StreamID]Start) {
	starts, subs = f.Starts(in), in.Subscriptions()
	in.mu.Lock()
	in.closed = true
	in.subs = nil
	parts := in.parts
	in.parts = nil
	in.mu.Unlock()
	for _, s := range subs {
		if s.Group != "" {
			f.leave(in, s, true, kept)
		} else {
			f.index.remove(in, s)
		}
	}
	for _, part := range parts {
		f.shut(part)
	}
	f.shut(in)
	return subs, starts
}

// shut has an inbox get nothing more.
func (f *Follower) shut(in *Inbox) {
	in.mu.Lock()
	in.closed = true
	in.queue = nil
	in.mu.Unlock()
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.tails))
	delete(f.inboxes, in)
	f.mu.Unlock()
	for _, t := range all {
		t.drop(in)
	}
}

func (f *Follower) read(shard shardlog.ShardID, r shardlog.Record) (*Message, bool) {
	m, ok := f.cfg.Read(r)
	m.At = Place{Shard: shard, Seq: r.Seq}
	return &m, ok
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
