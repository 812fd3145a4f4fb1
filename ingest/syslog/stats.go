package syslog

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats is what the door has done since it was made.
type Stats struct {
	Connections int               // open now
	Accepted    uint64            // connections accepted
	TurnedAway  map[string]uint64 // connections, by reason: denied, connections, source, tls
	Malformed   uint64            // connections that ended for lack of a length
	Timeouts    uint64            // connections that ended for half a message

	Bytes    uint64            // read, TLS's own left out
	Received map[string]uint64 // messages, by transport: udp, tcp, tls
	Bare     uint64            // of those, without a priority
	Cut      uint64            // of those, not whole
	Taken    uint64            // messages that the log has
	// Dropped are messages that the log does not have and will not get, by
	// reason. Over UDP: denied, empty and rate before they are received, queue
	// for lack of room, full when the log is. By the log's word: invalid,
	// refused, internal. And stopped: not stored when Run ended.
	Dropped map[string]uint64

	WindowWaits    uint64 // times a connection was not read because a window was full
	RateWaits      uint64 // times a connection was not read because its source was too fast
	ThrottledWaits uint64 // times a message waited for its shard
	Retries        uint64 // times a message waited because the log could not take it

	Pending      int // messages that wait for the log
	PendingBytes int // their size, overhead included
}

// counters are the running totals behind Stats.
type counters struct {
	accepted, malformed, timeouts atomic.Uint64
	bytes, bare, cut, taken       atomic.Uint64
	windowWaits, rateWaits        atomic.Uint64
	throttled, retries            atomic.Uint64
	received                      [3]atomic.Uint64 // by Transport

	mu      sync.Mutex
	dropped map[string]uint64 // guarded by mu
	turned  map[string]uint64 // guarded by mu
}

// receive counts a message that was read.
func (c *counters) receive(by Transport, m *message, cut bool) {
	c.received[by].Add(1)
	if Format(m.entry.Meta[0]&flagFormat>>formatShift) == Bare {
		c.bare.Add(1)
	}
	if cut {
		c.cut.Add(1)
	}
}

// drop counts messages that are lost.
func (c *counters) drop(reason string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped == nil {
		c.dropped = map[string]uint64{}
	}
	c.dropped[reason] += n
}

// turnAway counts a connection that is not served.
func (c *counters) turnAway(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turned == nil {
		c.turned = map[string]uint64{}
	}
	c.turned[reason]++
}

// Stats is a snapshot. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		Accepted: c.accepted.Load(), Malformed: c.malformed.Load(), Timeouts: c.timeouts.Load(),
		Bytes: c.bytes.Load(), Bare: c.bare.Load(), Cut: c.cut.Load(), Taken: c.taken.Load(),
		WindowWaits: c.windowWaits.Load(), RateWaits: c.rateWaits.Load(),
		ThrottledWaits: c.throttled.Load(), Retries: c.retries.Load(),
		Received: map[string]uint64{},
	}
	for t := range c.received {
		if n := c.received[t].Load(); n > 0 {
			out.Received[Transport(t).String()] = n
		}
	}
	c.mu.Lock()
	out.Dropped, out.TurnedAway = maps.Clone(c.dropped), maps.Clone(c.turned)
	c.mu.Unlock()
	n, bytes := s.streams.held()
	m, more := s.datagrams.held()
	out.Pending, out.PendingBytes = n+m, bytes+more
	s.mu.Lock()
	out.Connections = len(s.conns)
	s.mu.Unlock()
	return out
}
