package downlink

import (
	"cmp"
	"slices"
	"sync"

	"headgate/shardlog"
)

// Inbox is what one session on this gateway is to be sent, and how far it is.
// It is safe for concurrent use.
type Inbox struct {
	client   string
	signal   func() // something may be taken
	follower *Follower

	mu     sync.Mutex
	subs   []Subscription                // guarded by mu
	queue  []Delivery                    // guarded by mu: not taken yet
	bytes  int                           // guarded by mu: of queue
	out    []handed                      // guarded by mu: queued or taken with QoS 1 or 2, in order for each shard, from the first that is not done
	skip   map[Place]struct{}            // guarded by mu: was sent over an earlier connection
	at     map[shardlog.ShardID]position // guarded by mu
	helped bool                          // guarded by mu: a helper reads for it, or is about to
	closed bool                          // guarded by mu
	given  uint64                        // guarded by mu: of QoS 1 and 2, ever
}

// position is how far a session is in a shard.
type position struct {
	next   shardlog.Seq // the first that it was not offered
	live   bool         // the shard's follower offers it what comes
	missed bool         // it was away: of what lies here QoS 0 is over
	alone  bool         // what lies here was given to others of its groups
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
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.out {
		if in.out[i].Place == p {
			in.out[i].done = true
			break
		}
	}
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
	in.skip = make(map[Place]struct{}, len(out)+len(done))
	for _, one := range out {
		in.out = append(in.out, handed{Place: one.Place})
		in.skip[one.Place] = struct{}{}
	}
	for _, p := range done {
		in.out = append(in.out, handed{p, true})
		in.skip[p] = struct{}{}
	}
	slices.SortFunc(in.out, func(a, b handed) int { return cmp.Compare(a.Seq, b.Seq) })
}

// Beyond is what is done though something before it in its shard is not: a
// session that goes on must not be sent it again.
func (in *Inbox) Beyond() (done []Place) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.out {
		if h.done {
			done = append(done, h.Place)
		}
	}
	return done
}

// Given is how many messages of QoS 1 and 2 the session was given.
func (in *Inbox) Given() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.given
}

// room reports whether another delivery fits. The caller holds mu.
func (in *Inbox) room(size int) bool {
	return len(in.queue) == 0 || len(in.queue) < queueMessages && in.bytes+size <= queueBytes
}

// push appends a delivery. The caller holds mu and signals afterwards.
func (in *Inbox) push(d Delivery) {
	in.queue = append(in.queue, d)
	in.bytes += d.Size
	if d.QoS > 0 {
		in.given++
		in.out = append(in.out, handed{Place: d.At})
	}
}

// skips reports whether a message was sent over an earlier connection. The
// caller holds mu.
func (in *Inbox) skips(p Place) bool {
	_, skip := in.skip[p]
	delete(in.skip, p)
	return skip
}

// offer gives a live session a message. False: there is no room, so that it
// is live no longer and has to catch up from this message on.
func (in *Inbox) offer(d Delivery) bool {
	in.mu.Lock()
	pos, known := in.at[d.At.Shard]
	if in.closed || !known || !pos.live || d.At.Seq < pos.next || in.skips(d.At) {
		in.mu.Unlock()
		return true
	}
	if !in.room(d.Size) {
		if d.QoS == 0 {
			in.follower.dropped.Add(1)
			in.mu.Unlock()
			return true
		}
		in.at[d.At.Shard] = position{next: d.At.Seq, alone: !d.shared}
		in.mu.Unlock()
		return false
	}
	in.push(d)
	in.mu.Unlock()
	in.signal()
	return true
}

// Subscriptions are the session's.
func (in *Inbox) Subscriptions() []Subscription {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.subs)
}

// wants is the delivery of a message by subscriptions that matched, nil when
// there is none: overlapping ones make one of the highest QoS (MQTT 5.0, 3.3.4).
func (in *Inbox) wants(m *Message, by []Subscription) (d Delivery, ok bool) {
	d.Message = m
	for _, s := range by {
		if s.NoLocal && m.Client == in.client {
			continue
		}
		ok = true
		d.shared = d.shared || s.Group != ""
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

// hand puts the messages of a page into the queue, as far as there is room,
// and answers where to go on: behind the page, or at the first without room.
func (in *Inbox) hand(shard shardlog.ShardID, all []Delivery, behind shardlog.Seq) (next shardlog.Seq, full bool) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return behind, true
	}
	for _, d := range all {
		if in.skips(d.At) {
			continue
		}
		if !in.room(d.Size) {
			if d.QoS == 0 {
				in.follower.dropped.Add(1)
				continue
			}
			behind, full = d.At.Seq, true
			break
		}
		in.push(d)
	}
	if pos, known := in.at[shard]; known {
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
	for _, child := range s.Shards {
		parent := child.Parent != nil && *child.Parent == ended.Number || child.Adjacent != nil && *child.Adjacent == ended.Number
		if _, known := in.at[child.ID]; !parent || known {
			continue
		}
		if !in.awaits(s, child) {
			in.at[child.ID] = position{missed: pos.missed, alone: pos.alone}
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
