package downlink

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
)

// group is a shared subscription as far as it has members at this gateway. What
// its inbox reads of the shards whose leases are held here is dealt to the
// members in turns.
type group struct {
	name   string
	sub    Subscription // of the member that came first
	shares *shares
	inbox  *Inbox

	// owned by who holds shares.tending
	entered bool // the gateway is noted among those with members
	leases  map[shardlog.ShardID]*lease
	noted   time.Time // when positions were written

	mu      sync.Mutex
	members []member       // guarded by mu
	turn    int            // guarded by mu
	pending []Delivery     // guarded by mu: to be dealt, before what the inbox has; some were left unanswered by a member
	held    map[Place]hold // guarded by mu
	lasts   time.Duration  // guarded by mu: of all sessions that were members, the longest
}

type member struct {
	inbox *Inbox
	Subscription
}

// hold is a message that a member was given and has not answered.
type hold struct {
	by *Inbox
	Delivery
	qos byte // with which it was given
}

// mostHeld is what a member may leave unanswered before others get what comes.
const mostHeld = 64

// join adds a member, or changes its options.
func (g *group) join(in *Inbox, s Subscription) (replaced bool) {
	g.mu.Lock()
	g.lasts = max(g.lasts, s.Lasts)
	i := slices.IndexFunc(g.members, func(m member) bool { return m.inbox == in })
	if i >= 0 {
		g.members[i].Subscription = s
	} else {
		g.members = append(g.members, member{in, s})
	}
	g.mu.Unlock()
	g.deal()
	return i >= 0
}

// deal gives members what there is, as far as they have room.
func (g *group) deal() {
	var news []*Inbox
	g.mu.Lock()
	for {
		if len(g.pending) == 0 {
			g.pending = g.inbox.take(mostHeld / 2)
		}
		if len(g.pending) == 0 {
			break
		}
		m, ok := g.next()
		if !ok {
			break
		}
		d := g.pending[0]
		g.pending[0] = Delivery{}
		g.pending = g.pending[1:]
		g.give(m, d)
		if !slices.Contains(news, m.inbox) {
			news = append(news, m.inbox)
		}
	}
	g.mu.Unlock()
	for _, in := range news {
		in.signal()
	}
}

// next is the member whose turn it is, of those that have room. The caller holds mu.
func (g *group) next() (member, bool) {
	for range g.members {
		g.turn++
		m := g.members[g.turn%len(g.members)]
		n := 0
		for _, h := range g.held {
			if h.by == m.inbox {
				n++
			}
		}
		m.inbox.mu.Lock()
		room := !m.inbox.closed && n < mostHeld && m.inbox.room(0)
		m.inbox.mu.Unlock()
		if room {
			return m, true
		}
	}
	return member{}, false
}

// give gives a member a message by its own options. The caller holds mu.
func (g *group) give(m member, d Delivery) {
	out := Delivery{Message: d.Message, QoS: min(d.QoS, m.QoS), AsRetained: m.AsRetained, via: g.name}
	if m.Identifier > 0 {
		out.Identifiers = []uint32{m.Identifier}
	}
	if g.inbox.whole { // members may have named the stream differently
		message := *d.Message
		message.Topic = m.Filter
		out.Message = &message
	}
	m.inbox.mu.Lock()
	m.inbox.push(out)
	m.inbox.mu.Unlock()
	if d.QoS > 0 || g.inbox.whole {
		g.held[d.Place()] = hold{m.inbox, d, out.QoS}
	}
}

// answered says that a member is done with a message.
func (g *group) answered(in *Inbox, p Place) {
	g.mu.Lock()
	h, ok := g.held[p]
	if ok = ok && h.by == in; ok {
		delete(g.held, p)
	}
	g.mu.Unlock()
	if ok {
		g.inbox.done(p)
		g.deal()
	}
}

// leave takes a member out. What it has not been sent goes to others, and if
// its session is left, so does what it has not answered, but for messages of
// QoS 2 that it was sent: they are the session's (MQTT 5.0, 4.8.2).
func (g *group) leave(in *Inbox, left bool, kept []Unanswered) {
	g.mu.Lock()
	g.members = slices.DeleteFunc(g.members, func(m member) bool { return m.inbox == in })
	back := in.withdraw(g.name)
	if left {
		sent := map[Place]bool{}
		for _, one := range kept {
			sent[one.Place] = true
		}
		for p, h := range g.held {
			if h.by == in && h.qos == 2 && sent[p] {
				delete(g.held, p)
				g.inbox.done(p)
			} else if h.by == in {
				back = append(back, p)
			}
		}
	}
	for _, p := range back {
		if h, ok := g.held[p]; ok && h.by == in {
			delete(g.held, p)
			g.pending = append(g.pending, h.Delivery)
		}
	}
	slices.SortFunc(g.pending, func(a, b Delivery) int {
		return cmp.Or(cmp.Compare(a.At.Shard.Stream, b.At.Shard.Stream), cmp.Compare(a.At.Shard.Number, b.At.Shard.Number), cmp.Compare(a.At.Seq, b.At.Seq))
	})
	empty := len(g.members) == 0
	g.mu.Unlock()
	if g.deal(); empty {
		g.shares.wake()
	}
}

// withdraw takes back what the session was not sent of a group.
func (in *Inbox) withdraw(via string) (back []Place) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = slices.DeleteFunc(in.queue, func(d Delivery) bool {
		if d.via != via {
			return false
		}
		back = append(back, d.Place())
		in.bytes -= d.Size
		return true
	})
	return back
}

// stop reads no more of a shard, and answers where it was: behind all that
// members were given. False: the shard was not read.
func (g *group) stop(shard shardlog.ShardID) (next shardlog.Seq, reads bool) {
	in := g.inbox
	end := in.follower.endOf(shard)
	g.mu.Lock()
	in.mu.Lock()
	pos, reads := in.at[shard]
	delete(in.at, shard)
	if next = pos.next; pos.live {
		next = max(next, end)
	}
	gone := map[Place]bool{}
	drop := func(d Delivery) bool {
		if d.At.Shard != shard {
			return false
		}
		next, gone[d.Place()] = min(next, d.At.Seq), true
		return true
	}
	in.queue = slices.DeleteFunc(in.queue, func(d Delivery) bool {
		if !drop(d) {
			return false
		}
		in.bytes -= d.Size
		return true
	})
	g.pending = slices.DeleteFunc(g.pending, drop)
	in.out = slices.DeleteFunc(in.out, func(h handed) bool { return gone[h.Place] })
	in.mu.Unlock()
	g.mu.Unlock()
	in.follower.leaveTail(in, shard)
	return next, reads
}

// forget is content with what members were given of a shard: others answer for it.
func (g *group) forget(shard shardlog.ShardID) {
	g.stop(shard)
	g.inbox.mu.Lock()
	g.inbox.out = slices.DeleteFunc(g.inbox.out, func(h handed) bool { return h.Shard == shard })
	maps.DeleteFunc(g.inbox.skip, func(p Place, _ struct{}) bool { return p.Shard == shard })
	g.inbox.mu.Unlock()
	g.mu.Lock()
	for p := range g.held {
		if p.Shard == shard {
			delete(g.held, p)
		}
	}
	g.mu.Unlock()
}

// open is the first message of a shard that was given and not answered.
func (in *Inbox) open(shard shardlog.ShardID) (first shardlog.Seq, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.out {
		if h.Shard == shard && !h.done && (!ok || h.Seq < first) {
			first, ok = h.Seq, true
		}
	}
	return first, ok
}

// beyond is what members have answered of a shard from a place on: whoever
// reads on from there passes over it.
func (in *Inbox) beyond(shard shardlog.ShardID, next shardlog.Seq) (done []shardlog.Seq) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.out {
		if h.Shard == shard && h.done && h.Seq >= next {
			done = append(done, h.Seq)
		}
	}
	for p := range in.skip {
		if p.Shard == shard && p.Seq >= next {
			done = append(done, p.Seq)
		}
	}
	slices.Sort(done)
	return slices.Compact(done)
}

// begins reads a shard from a place on, but for what members elsewhere have
// answered behind it.
func (g *group) begins(shard shardlog.ShardID, next shardlog.Seq, done []shardlog.Seq) {
	g.inbox.mu.Lock()
	g.inbox.at[shard] = position{next: next}
	if g.inbox.skip == nil {
		g.inbox.skip = map[Place]struct{}{}
	}
	for _, seq := range done {
		g.inbox.skip[Place{shard, seq, g.name}] = struct{}{}
	}
	g.inbox.ended = slices.DeleteFunc(g.inbox.ended, func(one shardlog.ShardID) bool { return one == shard })
	g.inbox.mu.Unlock()
	g.inbox.follower.help(g.inbox)
}

// hasEnded reports whether a shard was read to its end.
func (in *Inbox) hasEnded(shard shardlog.ShardID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Contains(in.ended, shard)
}
