package jobs

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats is what the service has done at this gateway since it was made.
type Stats struct {
	Requests  uint64            `json:"requests"`          // of devices
	Refused   map[string]uint64 `json:"refused,omitempty"` // of those, by code
	Conflicts uint64            `json:"conflicts"`         // changes that were tried anew
	Timeouts  uint64            `json:"timeouts"`          // executions that timed out
	Blocks    uint64            `json:"blocks"`            // of files, sent
	Bytes     uint64            `json:"bytes"`             // in them
	Unsent    uint64            `json:"unsent"`            // answers for clients that had gone, or whose queue was full
	Reads     uint64            `json:"chunk_reads"`       // of the log, for blocks
}

// counters are the running totals behind Stats.
type counters struct {
	requests, conflicts, timeouts atomic.Uint64
	blocks, bytes, unsent, reads  atomic.Uint64

	mu      sync.Mutex
	refused map[string]uint64 // guarded by mu
}

func (c *counters) refuse(code Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]uint64{}
	}
	c.refused[string(code)]++
}

// Stats is a snapshot. It may be called at any time.
func (s *Service) Stats() Stats {
	c := &s.counts
	out := Stats{Requests: c.requests.Load(), Conflicts: c.conflicts.Load(), Timeouts: c.timeouts.Load(),
		Blocks: c.blocks.Load(), Bytes: c.bytes.Load(), Unsent: c.unsent.Load(), Reads: c.reads.Load()}
	c.mu.Lock()
	out.Refused = maps.Clone(c.refused)
	c.mu.Unlock()
	return out
}
