package downlink

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
)

// shares are the shared subscriptions with members at this gateway. Each shard
// of a group is read by the one gateway of the site that has its lease.
type shares struct {
	follower *Follower
	signal   chan struct{} // some group wants to be looked at

	tending sync.Mutex // one at a time looks after leases, and owns what follows
	seen    map[uint64]sign
	beat    uint64
	beaten  time.Time // when the last beat was agreed on
	warned  time.Time

	mu     sync.Mutex
	groups map[string]*group // guarded by mu
}

// sign is a gateway's last beat and when it was seen first. No clocks are
// compared: a gateway is there as long as its beats change.
type sign struct {
	beat  []byte
	since time.Time
}

const stateTimeout = 5 * time.Second // for one change of leases

func newShares(f *Follower) *shares {
	return &shares{follower: f, signal: make(chan struct{}, 1), seen: map[uint64]sign{}, groups: map[string]*group{}}
}

// wake has the groups looked at soon.
func (s *shares) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// run looks after leases until ctx ends, then gives all up.
func (s *shares) run(ctx context.Context) {
	tick := time.NewTicker(s.follower.cfg.Lease / 30)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.signal:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout/2)
			defer cancel()
			s.tend(last) // sessions have been left by now, so that no group has members
			return
		}
		s.tend(ctx)
	}
}

// tend looks at all groups.
func (s *shares) tend(ctx context.Context) {
	s.tending.Lock()
	defer s.tending.Unlock()
	all := s.all()
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	err := s.live(ctx)
	for _, g := range all {
		if err == nil {
			err = s.look(ctx, g)
		}
		if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
			err = nil // somebody changed a row meanwhile: the next look sees it
			s.wake()
		}
	}
	if err == nil {
		return
	}
	if time.Since(s.warned) > s.follower.cfg.Lease/3 {
		s.warned = time.Now()
		s.follower.cfg.Log.Warn("keep leases of shared subscriptions", "error", err)
	}
	if time.Since(s.beaten) > s.follower.cfg.Lease*2/3 { // others take over
		for _, g := range all {
			for shard := range g.leases {
				g.forget(shard)
				delete(g.leases, shard)
			}
		}
	}
}

func (s *shares) all() []*group {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*group, 0, len(s.groups))
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		all = append(all, s.groups[name])
	}
	return all
}

// live shows that this gateway lives, when that is due, and sees which others do.
func (s *shares) live(ctx context.Context) error {
	now, cfg := time.Now(), &s.follower.cfg
	if now.Sub(s.beaten) >= cfg.Lease/3 {
		if s.beat == 0 {
			s.beat = uint64(cfg.Now().UnixMilli()) // not what it was before a restart
		}
		s.beat++
		if err := cfg.States.Mutate(ctx, shardlog.Mutation{Space: shared, Key: beatKey(cfg.Gateway), Value: binary.AppendUvarint(nil, s.beat)}); err != nil {
			return err
		}
		s.beaten = now
	}
	there := map[uint64]bool{}
	for key, value := range cfg.States.List(ctx, shared, beatPrefix) {
		gateway, ok := parseHex(key[len(beatPrefix):])
		if !ok {
			continue
		}
		there[gateway] = true
		if before, known := s.seen[gateway]; !known || !bytes.Equal(before.beat, value) {
			s.seen[gateway] = sign{bytes.Clone(value), now}
		}
	}
	maps.DeleteFunc(s.seen, func(g uint64, _ sign) bool { return !there[g] })
	return ctx.Err()
}

// lives reports whether a gateway has shown itself for as long as a lease lasts.
func (s *shares) lives(gateway uint64) bool {
	seen, known := s.seen[gateway]
	return gateway == s.follower.cfg.Gateway || known && time.Since(seen.since) < s.follower.cfg.Lease
}

// board reads what is noted of a group.
func (s *shares) board(ctx context.Context, name string) (*board, error) {
	b := &board{prefix: groupPrefix(name), present: map[uint64]presence{}, holds: map[shardlog.ShardID]holding{}, versions: map[string]shardlog.Version{}}
	states := s.follower.cfg.States
	var keys []string
	for key := range states.List(ctx, shared, b.prefix) {
		keys = append(keys, key)
	}
	for _, key := range keys {
		value, version, err := states.Get(ctx, shared, key)
		if err == nil {
			b.take(key, value, version)
		} else if shardlog.KindOf(err) != shardlog.NotFound { // else it is gone by now
			return nil, err
		}
	}
	return b, ctx.Err()
}

// enter notes that a group has members here. A group that had none anywhere
// begins: at what is published from now on, or where its stream is asked for.
// The caller holds tending.
func (s *shares) enter(ctx context.Context, g *group) error {
	if err := s.live(ctx); err != nil {
		return err
	}
	for {
		err := s.tryEnter(ctx, g)
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict || ctx.Err() != nil {
			return err
		}
	}
}

func (s *shares) tryEnter(ctx context.Context, g *group) error {
	b, err := s.board(ctx, g.name)
	if err != nil {
		return err
	}
	cfg := &s.follower.cfg
	changes := s.purge(b, g)
	if before := b.present[cfg.Gateway]; before.Left.IsZero() && before.Lasts == 0 {
		delete(b.present, cfg.Gateway) // it is of before a crash
	}
	mine := map[shardlog.ShardID]shardlog.Seq{}
	if len(b.present) == 0 {
		if mine, err = g.origins(ctx); err != nil {
			return err
		}
		for shard := range b.holds {
			if _, again := mine[shard]; !again {
				changes = append(changes, b.change(holdingKey(b.prefix, shard), nil))
			}
		}
		for shard, next := range mine {
			changes = append(changes, b.change(holdingKey(b.prefix, shard), holding{At: cfg.Gateway, Next: next}))
		}
	}
	changes = append(changes, g.present(b, cfg.Gateway))
	if err := cfg.States.Mutate(ctx, changes...); err != nil {
		return err
	}
	g.entered = true
	for shard, next := range mine {
		g.adopt(shard, holding{Next: next})
	}
	s.wake()
	return nil
}

// share makes a session a member of a group. resumed: if the lease cannot be
// asked for now, that is tried again later.
func (f *Follower) share(ctx context.Context, in *Inbox, s Subscription, resumed bool) error {
	f.shares.tending.Lock()
	defer f.shares.tending.Unlock()
	g := f.shares.group(s)
	if !g.entered {
		if err := f.shares.enter(ctx, g); err != nil && !resumed {
			if !g.isWanted() {
				f.drop(g)
			}
			return err
		} else if err != nil {
			f.cfg.Log.Warn("take up a shared subscription", "group", g.name, "error", err)
		}
	}
	g.join(in, s)
	return nil
}

// group is that of a subscription, made when there is none here.
func (s *shares) group(sub Subscription) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := sub.via()
	g := s.groups[name]
	if g == nil {
		g = &group{name: name, sub: sub, shares: s, leases: map[shardlog.ShardID]*lease{}, held: map[Place]hold{}}
		_, whole := sub.Stream()
		all := Subscription{Filter: sub.Filter, QoS: 2}
		g.inbox = &Inbox{client: name, signal: g.deal, follower: s.follower, at: map[shardlog.ShardID]position{}, read: map[shardlog.ShardID]struct{}{}, via: name, whole: whole, narrow: true, subs: []Subscription{all}}
		if !whole {
			s.follower.index.add(g.inbox, all)
		}
		s.groups[name] = g
	}
	g.mu.Lock()
	g.lasts = max(g.lasts, sub.Lasts)
	g.mu.Unlock()
	return g
}

// find is the group of a name, nil when it has no members here.
func (s *shares) find(name string) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[name]
}

// drop forgets a group.
func (f *Follower) drop(g *group) {
	f.shares.mu.Lock()
	delete(f.shares.groups, g.name)
	f.shares.mu.Unlock()
	f.index.remove(g.inbox, g.inbox.subs[0])
	f.shut(g.inbox)
}

// leave takes a session out of a group.
func (f *Follower) leave(in *Inbox, s Subscription, left bool, kept []Unanswered) {
	if g := f.shares.find(s.via()); g != nil {
		g.leave(in, left, kept)
	}
}

// answered says that a session is done with a message of a group.
func (f *Follower) answered(in *Inbox, p Place) {
	if g := f.shares.find(p.Via); g != nil {
		g.answered(in, p)
	}
}

// dealt says that a session has room again for what its groups have.
func (f *Follower) dealt(in *Inbox) {
	for _, s := range in.list() {
		if s.Group == "" {
			continue
		}
		if g := f.shares.find(s.via()); g != nil {
			g.deal()
		}
	}
}

// present is the row that says that the gateway has members of a group.
func (g *group) present(b *board, gateway uint64) shardlog.Mutation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before := b.present[gateway]; before.Lasts > g.lasts {
		g.lasts = before.Lasts // of sessions that are away
	}
	p := presence{Group: g.name, Lasts: g.lasts}
	b.present[gateway] = p
	return b.change(presenceKey(b.prefix, gateway), p)
}

// origins is where a group begins.
func (g *group) origins(ctx context.Context) (map[shardlog.ShardID]shardlog.Seq, error) {
	all := map[shardlog.ShardID]shardlog.Seq{}
	for _, stream := range g.reach() {
		from, err := g.shares.follower.origins(ctx, stream, g.sub)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, from)
	}
	return all, nil
}

// reach are the streams that a group reads.
func (g *group) reach() (all []shardlog.Stream) {
	f := g.shares.follower
	for _, name := range f.streamsOf(g.sub) {
		if stream, there := f.cfg.Catalog.Stream(name); there {
			all = append(all, stream)
		}
	}
	return all
}

// adopt begins to read a shard whose lease is here.
func (g *group) adopt(shard shardlog.ShardID, h holding) {
	g.leases[shard] = &lease{noted: h.Next}
	g.begins(shard, h.Next, h.Done)
}

// purge removes gateways from the board that have died, or whose sessions have
// expired.
func (s *shares) purge(b *board, g *group) (changes []shardlog.Mutation) {
	now := s.follower.cfg.Now()
	for gateway, p := range b.present {
		key := presenceKey(b.prefix, gateway)
		switch {
		case p.Left.IsZero() && s.lives(gateway), !p.Left.IsZero() && now.Sub(p.Left) <= p.Lasts:
		case p.Left.IsZero() && p.Lasts > 0:
			p.Left = now
			b.present[gateway] = p
			changes = append(changes, b.change(key, p))
		default:
			delete(b.present, gateway)
			if gateway != s.follower.cfg.Gateway { // that row is written anyway
				changes = append(changes, b.change(key, nil))
			}
		}
	}
	return changes
}

func parseHex(text string) (n uint64, ok bool) {
	if len(text) != 16 {
		return 0, false
	}
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// Leases are how many shards this gateway reads for groups with members here.
func (f *Follower) Leases() (n int) {
	for _, g := range f.shares.all() {
		n += len(g.inbox.places())
	}
	return n
}

// Lag is how many records lie before the end of those shards that members have
// not answered.
func (f *Follower) Lag() (n uint64) {
	for _, g := range f.shares.all() {
		for id, start := range f.Starts(g.inbox) {
			stream, _ := f.cfg.Catalog.StreamByID(id)
			for number, next := range start.At {
				if one, there := stream.Shard(number); there && one.Next > next {
					n += uint64(one.Next - max(next, one.Oldest))
				}
			}
		}
	}
	return n
}
