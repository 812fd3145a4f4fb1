package shadow

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats is what the service has done since it was made.
type Stats struct {
	Updates  uint64         `json:"updates"` // requests, those that were rejected among them
	Gets     uint64         `json:"gets"`
	Deletes  uint64         `json:"deletes"`
	Rejected map[int]uint64 `json:"rejected,omitempty"` // requests by code
	Retries  uint64         `json:"retries"`            // changes begun again because another came first
	Shadows  int            `json:"shadows"`            // when they were last counted, those lately deleted among them
}

// counters are the running totals behind Stats.
type counters struct {
	updates, gets, deletes, retries atomic.Uint64

	mu       sync.Mutex
	rejected map[int]uint64 // guarded by mu
}

// reject counts an error that is a rejection, and hands it on.
func (c *counters) reject(err error) error {
	if why := rejection(err); why != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.rejected == nil {
			c.rejected = map[int]uint64{}
		}
		c.rejected[why.Code]++
	}
	return err
}

// Stats is a snapshot. It may be called at any time.
func (s *Service) Stats() Stats {
	c := &s.stats
	out := Stats{Updates: c.updates.Load(), Gets: c.gets.Load(), Deletes: c.deletes.Load(), Retries: c.retries.Load()}
	c.mu.Lock()
	out.Rejected = maps.Clone(c.rejected)
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Shadows = s.count
	return out
}
