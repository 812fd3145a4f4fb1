package downlink

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"headgate/shardlog"
)

// Inbox is what one session on this gateway is to be sent, and how far it is.
// It is safe for concurrent use.
type Inbox struct {
	client   string
	signal   func() // something may be taken
	follower *Follower
	via      string // what is read for one shared or stream subscription: see Place; empty: a session's
	whole    bool   // every record of a stream is wanted, whatever its topic
	narrow   bool   // its shards are chosen for it

	settled struct { // over an earlier connection, for parts that are made later; set by Settle
		out  []Unanswered
		done []Place
	}

	mu     sync.Mutex
	subs   []Subscription                // guarded by mu
	queue  []Delivery                    // guarded by mu: not taken yet
	bytes  int                           // guarded by mu: of queue
	out    []handed                      // guarded by mu: queued or taken with QoS 1 or 2, by shard in order, from the first that is not done
	skip   map[Place]struct{}            // guarded by mu: was sent over an earlier connection
	at     map[shardlog.ShardID]position // guarded by mu
	read   map[shardlog.ShardID]struct{} // guarded by mu: shards that were read to their end before the session was taken up
	helped bool                          // guarded by mu: a helper reads for it, or is about to
	closed bool                          // guarded by mu
	given  uint64                        // guarded by mu: of QoS 1 and 2, ever
	parts  []*Inbox                      // guarded by mu: of the session's subscriptions to streams as a whole
	turn   int                           // guarded by mu: of parts, whose messages are taken first
	ended  []shardlog.ShardID            // guarded by mu: of a narrow one, those that were read to their end
}

// position is how far a session is in a shard.
type position struct {
	next   shardlog.Seq // the first that it was not offered
	live   bool         // the shard's follower offers it what comes
	missed bool         // it was away: of what lies here QoS 0 is over
}

// handed is a message of QoS 1 or 2 that is on its way to the device, or is
// done while one before it in its shard is not.
type handed struct {
	Place
	done bool
}

// What an Inbox holds.
const (
	queueMessages = 256
	queueBytes    = 256 << 10
	mostOut       = 1000 // messages of QoS 1 and 2 from the first that is not done on
)

// Take moves up to n deliveries out of the queue, in order.
func (in *Inbox) Take(n int) []Delivery {
	taken, groups := in.take(n), false
	in.mu.Lock()
	parts := slices.Clone(in.parts)
	if len(parts) > 0 {
		in.turn++
		first := in.turn % len(parts)
		parts = append(parts[first:], parts[:first]...)
	}
	in.mu.Unlock()
	for _, part := range parts {
		taken = append(taken, part.take(n-len(taken))...)
	}
	for i := range taken {
		groups = groups || taken[i].via != ""
		if taken[i].via != "" && taken[i].QoS == 0 { // no answer will come
			in.Done(taken[i].Place())
		}
	}
	if groups {
		in.follower.dealt(in)
	}
	return taken
}

// take takes from the own queue.
func (in *Inbox) take(n int) []Delivery {
	defer in.follower.help(in)
	in.mu.Lock()
	defer in.mu.Unlock()
	if n = min(n, len(in.queue)); len(in.out) > mostOut {
		n = 0 // the device answers all but one: what is done beyond that has to be remembered
	}
	taken := slices.Clone(in.queue[:n])
	clear(in.queue[:n])
	if in.queue = in.queue[n:]; len(in.queue) == 0 {
		in.queue = nil
	}
	for i := range taken {
		in.bytes -= taken[i].Size
	}
	return taken
}

// Done says that a delivery of QoS 1 or 2 has reached the device, or never will.
func (in *Inbox) Done(p Place) {
	if p.Via == in.via {
		in.done(p)
		return
	}
	if part := in.part(p.Via); part != nil {
		part.done(p)
		return
	}
	in.follower.answered(in, p)
}

// part is what reads a stream as a whole for the session.
func (in *Inbox) part(via string) *Inbox {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, part := range in.parts {
		if part.via == via {
			return part
		}
	}
	return nil
}

// note puts a message among those that are out. The caller holds mu.
func (in *Inbox) note(h handed) {
	i, there := slices.BinarySearchFunc(in.out, h.Place, byPlace)
	if !there {
		in.out = slices.Insert(in.out, i, h)
	}
}

func byPlace(h handed, p Place) int {
	return cmp.Or(byShard(h.Shard, p.Shard), cmp.Compare(h.Seq, p.Seq))
}

// named is the subscription of a name, nil when there is none.
func (in *Inbox) named(name string) *Subscription {
	for _, s := range in.list() {
		if s.Name() == name {
			return &s
		}
	}
	return nil
}

// change gives what reads a stream other options.
func (in *Inbox) change(s Subscription) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.subs = []Subscription{s}
}

// remove takes away what reads a stream as a whole.
func (in *Inbox) remove(part *Inbox) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.parts = slices.DeleteFunc(in.parts, func(p *Inbox) bool { return p == part })
}

func (in *Inbox) done(p Place) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i, there := slices.BinarySearchFunc(in.out, p, byPlace)
	if !there {
		return
	}
	in.out[i].done = true
	open := map[shardlog.ShardID]bool{}
	in.out = slices.DeleteFunc(in.out, func(h handed) bool {
		open[h.Shard] = open[h.Shard] || !h.done
		return !open[h.Shard]
	})
}

// Settle says what was sent over an earlier connection: what was not answered,
// which the door sends again itself, and what was, though it lies behind that.
// It is called before anything is subscribed to.
func (in *Inbox) Settle(out []Unanswered, done []Place) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.settled.out, in.settled.done = out, done
	in.skip = make(map[Place]struct{}, len(out)+len(done))
	for _, one := range out {
		if one.Place.Via == in.via {
			in.note(handed{Place: one.Place})
			in.skip[one.Place] = struct{}{}
		}
	}
	for _, p := range done {
		if p.Via == in.via {
			in.note(handed{p, true})
			in.skip[p] = struct{}{}
		}
	}
}

// Beyond is what is done though something before it in its shard is not, or was
// not read again yet: a session that goes on must not be sent it again.
func (in *Inbox) Beyond() (done []Place) {
	in.mu.Lock()
	parts := slices.Clone(in.parts)
	seen := maps.Clone(in.skip) // answered by now, and not passed yet
	for _, h := range in.out {
		if delete(seen, h.Place); h.done {
			done = append(done, h.Place)
		}
	}
	in.mu.Unlock()
	done = slices.AppendSeq(done, maps.Keys(seen))
	for _, part := range parts {
		done = append(done, part.Beyond()...)
	}
	return done
}

// Given is how many messages of QoS 1 and 2 the session was given.
func (in *Inbox) Given() uint64 {
	in.mu.Lock()
	parts, n := slices.Clone(in.parts), in.given
	in.mu.Unlock()
	for _, part := range parts {
		n += part.Given()
	}
	return n
}

// room reports whether another delivery fits. The caller holds mu.
func (in *Inbox) room(size int) bool {
	return len(in.queue) == 0 || len(in.queue) < queueMessages && in.bytes+size <= queueBytes
}

// push appends a delivery. The caller holds mu and signals afterwards.
func (in *Inbox) push(d Delivery) {
	in.queue = append(in.queue, d)
	in.bytes += d.Size
	if d.QoS > 0 || in.whole {
		in.given++
		if d.via == in.via { // else the group knows
			in.note(handed{Place: d.Place()})
		}
	}
}

// skips reports whether a message was sent over an earlier connection. The
// caller holds mu.
func (in *Inbox) skips(p Place) bool {
	_, skip := in.skip[p]
	if delete(in.skip, p); skip && strings.HasPrefix(in.via, sharePrefix) {
		in.note(handed{p, true}) // a session knows already
	}
	return skip
}

// offer gives a live session a message. False: there is no room, so that it
// is live no longer and has to catch up from this message on.
func (in *Inbox) offer(d Delivery) bool {
	in.mu.Lock()
	pos, known := in.at[d.At.Shard]
	if in.closed || !known || !pos.live || d.At.Seq < pos.next {
		in.mu.Unlock()
		return true
	}
	if in.skips(d.Place()) {
		pos.next = d.At.Seq + 1
		in.at[d.At.Shard] = pos
		in.mu.Unlock()
		return true
	}
	if !in.room(d.Size) {
		if d.QoS == 0 && !in.whole {
			in.follower.dropped.Add(1)
			in.mu.Unlock()
			return true
		}
		in.at[d.At.Shard] = position{next: d.At.Seq}
		in.mu.Unlock()
		return false
	}
	in.push(d)
	pos.next = d.At.Seq + 1 // it may be answered before the tail is behind it
	in.at[d.At.Shard] = pos
	in.mu.Unlock()
	in.signal()
	return true
}

// Subscriptions are the session's, each to a stream with its Starts.
func (in *Inbox) Subscriptions() []Subscription {
	all := in.list()
	for i := range all {
		if all[i].Group != "" {
			continue
		}
		if part := in.part(all[i].Name()); part != nil {
			all[i].Starts = in.follower.Starts(part)
		}
	}
	return all
}

func (in *Inbox) list() []Subscription {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.subs)
}

// wants is the delivery of a message by subscriptions that matched, nil when
// there is none: overlapping ones make one of the highest QoS (MQTT 5.0, 3.3.4).
func (in *Inbox) wants(m *Message, by []Subscription) (d Delivery, ok bool) {
	d.Message, d.via = m, in.via
	for _, s := range by {
		if s.NoLocal && m.Client == in.client {
			continue
		}
		ok = true
		d.QoS = max(d.QoS, min(s.QoS, m.QoS))
		d.AsRetained = d.AsRetained || s.AsRetained
		if s.Identifier > 0 {
			d.Identifiers = append(d.Identifiers, s.Identifier)
		}
	}
	return d, ok
}

// behind is a shard that the session has to catch up in: one that is open to
// it and not live, a parent before its children.
func (in *Inbox) behind() (shard shardlog.ShardID, next shardlog.Seq, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for id, pos := range in.at {
		if !in.closed && !pos.live && (!ok || id.Stream < shard.Stream || id.Stream == shard.Stream && id.Number < shard.Number) {
			shard, next, ok = id, pos.next, true
		}
	}
	return shard, next, ok
}

// hand puts the messages of a page, from..behind, into the queue, as far as
// there is room, and answers where to go on: behind the page, or at the first
// without room.
func (in *Inbox) hand(shard shardlog.ShardID, all []Delivery, from, behind shardlog.Seq) (next shardlog.Seq, full bool) {
	in.mu.Lock()
	pos, known := in.at[shard]
	if in.closed || in.narrow && (!known || pos.live || pos.next != from) { // or the shard was taken from it meanwhile
		in.mu.Unlock()
		return behind, true
	}
	for _, d := range all {
		if in.skips(d.Place()) {
			continue
		}
		if !in.room(d.Size) {
			if d.QoS == 0 && !in.whole {
				in.follower.dropped.Add(1)
				continue
			}
			behind, full = d.At.Seq, true
			break
		}
		in.push(d)
	}
	if known {
		pos.next = behind
		in.at[shard] = pos
	}
	in.mu.Unlock()
	if len(all) > 0 {
		in.signal()
	}
	return behind, full
}

// place is where the session is in a shard.
func (in *Inbox) place(shard shardlog.ShardID) position {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.at[shard]
}

// finish says that a shard has ended and was read, and opens its children that
// wait for no other parent.
func (in *Inbox) finish(s shardlog.Stream, ended shardlog.ShardID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	pos := in.at[ended]
	delete(in.at, ended)
	if in.narrow {
		in.ended = append(in.ended, ended)
		return
	}
	for _, child := range s.Shards {
		parent := child.Parent != nil && *child.Parent == ended.Number || child.Adjacent != nil && *child.Adjacent == ended.Number
		_, known := in.at[child.ID]
		if _, read := in.read[child.ID]; !parent || known || read {
			continue
		}
		if !in.awaits(s, child) {
			in.at[child.ID] = position{missed: pos.missed}
		}
	}
}

// awaits reports whether something before a shard is not read to its end: a
// parent, or a parent's parent. The caller holds mu.
func (in *Inbox) awaits(s shardlog.Stream, one shardlog.Shard) bool {
	for _, number := range []*uint32{one.Parent, one.Adjacent} {
		if number == nil {
			continue
		}
		parent, there := s.Shard(*number)
		if _, open := in.at[parent.ID]; there && (open || in.awaits(s, parent)) {
			return true
		}
	}
	return false
}

// begin puts the session at the beginning of a stream, unless it has a place
// there.
func (in *Inbox) begin(s shardlog.Stream) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.narrow {
		return false
	}
	for shard := range in.at {
		if shard.Stream == s.ID {
			return false
		}
	}
	for _, shard := range s.Shards {
		if shard.Parent == nil {
			in.at[shard.ID] = position{}
		}
	}
	return len(s.Shards) > 0 && !in.closed
}
