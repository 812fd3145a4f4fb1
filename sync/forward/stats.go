package forward

import (
	"sync/atomic"
	"time"
)

// State is whether this gateway is cut off, and what its spool holds.
type State struct {
	Isolated bool
	Since    time.Time // isolated, or zero
	Lost     time.Time // since when no leader answers, isolated or not yet; zero: one does

	Rows     uint64    // spooled
	Bytes    int64     // as stored
	Records  uint64    // zero while it is not known
	Oldest   time.Time // when the first of them was taken; zero: none
	Draining bool
	Owed     int // concessions that are not in the log yet
}

// State is how things stand now. It may read one row of the spool.
func (f *Carrier) State() State {
	f.mu.Lock()
	q := &f.queue
	s := State{Isolated: f.iso.isolated, Lost: f.iso.lost}
	if s.Isolated {
		s.Since = f.iso.since
	}
	if q.first <= q.last {
		s.Rows = q.last - q.first + 1
		if q.counted {
			s.Records = q.total - q.dropped
		}
	}
	if f.owes {
		s.Owed = 1
	}
	f.mu.Unlock()
	s.Draining = f.draining.Load()
	if f.c.Spool != nil {
		s.Bytes, s.Oldest = f.c.Spool.Stats().Bytes, f.oldest()
	}
	return s
}

// Stats counts what has been done since the start.
type Stats struct {
	Calls, FailedCalls uint64 // to the leader
	Served             uint64 // Puts of other gateways
	Isolations         uint64
	Spooled            uint64 // records
	Drained            uint64 // records that have left the spool
	Refused            uint64 // records, because the spool was full
	Dropped            uint64 // records that a full spool gave up
	Duplicates         uint64 // records of the spool that were stored before
	Orphans            uint64 // records of the spool whose stream was gone
}

type counts struct {
	calls, failedCalls, served, isolations, spooled, drained, refused, dropped, duplicates, orphans atomic.Uint64
}

// Stats is what has been done since the start.
func (f *Carrier) Stats() Stats {
	c := &f.counts
	return Stats{
		Calls: c.calls.Load(), FailedCalls: c.failedCalls.Load(), Served: c.served.Load(), Isolations: c.isolations.Load(),
		Spooled: c.spooled.Load(), Drained: c.drained.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load(),
		Duplicates: c.duplicates.Load(), Orphans: c.orphans.Load(),
	}
}
