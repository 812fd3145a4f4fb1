package fleet

import (
	"sync/atomic"
	"time"
)

// Totals counts what a fleet did so far.
type Totals struct {
	Elapsed      time.Duration `json:"elapsed"` // nanoseconds
	Devices      int           `json:"devices"`
	Finished     int           `json:"finished"` // devices with nothing left to send
	Connected    int64         `json:"connected"`
	MostAtOnce   int64         `json:"mostAtOnce"` // connections open at the same time
	Connects     int64         `json:"connects"`
	Failures     int64         `json:"failures"`  // connects that did not succeed
	Losses       int64         `json:"losses"`    // connections lost
	Forgotten    int64         `json:"forgotten"` // connects at which the broker knew no session, though messages were in flight
	Sent         int64         `json:"sent"`      // messages handed to the network, each counted once
	Repeated     int64         `json:"repeated"`  // messages sent again after a reconnect
	Acknowledged int64         `json:"acknowledged"`
	InFlight     int64         `json:"inFlight"` // sent and not acknowledged, QoS 1 and 2
	Unanswered   int64         `json:"unanswered"`
	Buffered     int64         `json:"buffered"` // records in ring files
	Dropped      uint64        `json:"dropped"`  // records given up by full ring files
	AckMedian    time.Duration `json:"ackMedian"`
	Ack99        time.Duration `json:"ack99"`
	LastError    string        `json:"lastError,omitempty"`
}

// counters are the live totals.
type counters struct {
	connected, most, connects, failures, losses atomic.Int64
	forgotten                                   atomic.Int64
	sent, unanswered, repeated, inFlight, acked atomic.Int64
	finished, took                              atomic.Int64 // took: nanoseconds, once the run is over
	begun                                       atomic.Pointer[time.Time]
	lastError                                   atomic.Pointer[string]
	latency                                     histogram
}

// join counts a connection that came up.
func (c *counters) join() {
	c.connects.Add(1)
	now := c.connected.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
}

func (c *counters) fail(err error) {
	c.failures.Add(1)
	text := err.Error()
	c.lastError.Store(&text)
}
