package mqtt

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what the door has done since it was made.
type Stats struct {
	Connections int    // open now
	Accepted    uint64 // connections accepted
	TurnedAway  uint64 // connections over the limit, or not let in
	Malformed   uint64 // connections that ended for a malformed packet
	Panics      uint64 // connections that ended for a fault of the codec

	Bytes      uint64            // read from devices
	Received   uint64            // PUBLISHes
	Acked      uint64            // PUBACKs and PUBRECs for stored messages
	Duplicates uint64            // QoS 2 messages that came again and were not stored again
	Refused    map[string]uint64 // by reason: denied, topic, payload, full, internal, too large

	WindowWaits    uint64 // times a socket was not read because its window was full
	ThrottledWaits uint64 // times a key waited for its shard
	RateWaits      uint64 // times a socket was not read because its device had published its share
	TakeoverPauses uint64 // times a device waited because its client id is taken over again and again
	Waiting        int    // connections before their CONNACK, at most 256 of them at a time
	Retries        uint64 // times the log could not take a Put
	Conflicts      uint64 // Puts whose QoS 2 ids were taken

	Pending          int           // messages and PUBRELs not yet answered
	PendingBytes     int64         // of those messages
	OldestUnanswered time.Duration // age of the oldest of them on an open connection
	Retained         int           // topics with a retained message, as far as they are known here
	Sessions         int           // kept beyond their connections, about
	Subscriptions    int           // of devices that are connected here
	Sent             uint64        // messages to subscribers
	Leases           int           // shards that are read here for shared subscriptions
	Lag              uint64        // records of those shards that members have not answered
	Dropped          uint64        // of QoS 0, to subscribers that did not keep up
}

// counters are the running totals behind Stats.
type counters struct {
	accepted, turnedAway, malformed, panics    atomic.Uint64
	sent                                       atomic.Uint64
	bytes, received, acked, duplicates         atomic.Uint64
	windowWaits, throttled, retries, conflicts atomic.Uint64
	rateWaits, takeoverPauses                  atomic.Uint64

	mu      sync.Mutex
	refused map[string]uint64
}

// refuse counts a refused message.
func (c *counters) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]uint64{}
	}
	c.refused[reason]++
}

// Stats is a snapshot. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		Accepted: c.accepted.Load(), TurnedAway: c.turnedAway.Load(), Malformed: c.malformed.Load(), Panics: c.panics.Load(),
		Bytes: c.bytes.Load(), Received: c.received.Load(), Acked: c.acked.Load(), Duplicates: c.duplicates.Load(),
		WindowWaits: c.windowWaits.Load(), ThrottledWaits: c.throttled.Load(), Retries: c.retries.Load(), Conflicts: c.conflicts.Load(),
		Pending: int(s.open.Load()), PendingBytes: s.waiting.Load(),
		Retained: s.retained.count(), Sessions: int(s.kept.Load()), Subscriptions: s.follower.Subscriptions(), Sent: c.sent.Load(), Dropped: s.follower.Dropped(),
		Leases: s.follower.Leases(), Lag: s.follower.Lag(),
	}
	out.RateWaits, out.TakeoverPauses = c.rateWaits.Load(), c.takeoverPauses.Load()
	c.mu.Lock()
	out.Refused = maps.Clone(c.refused)
	c.mu.Unlock()
	conns := s.connections()
	out.Connections = len(conns)
	s.mu.Lock()
	out.Waiting = s.places - len(s.devices)
	s.mu.Unlock()
	now := time.Now()
	for _, conn := range conns {
		if at, ok := conn.oldest(); ok {
			out.OldestUnanswered = max(out.OldestUnanswered, now.Sub(at))
		}
	}
	return out
}
