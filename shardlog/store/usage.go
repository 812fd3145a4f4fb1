package store

import (
	"sync/atomic"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Usage is how much of the disk is taken. On a Disk in memory Free and Volume
// are zero.
func (s *Store) Usage() (shardlog.Usage, error) {
	u := shardlog.Usage{Stored: s.db.Metrics().DiskSpaceUsage()}
	if d, err := s.disk.fs().GetDiskUsage(s.dir); err == nil {
		u.Free, u.Volume = d.AvailBytes, d.TotalBytes
	}
	return u, nil
}

type counts struct{ records, blocks, bytes atomic.Uint64 }

func (c *counts) appended(runs []block.Run, size int) {
	c.blocks.Add(1)
	c.bytes.Add(uint64(size))
	for _, r := range runs {
		c.records.Add(uint64(r.Count))
	}
}

// Stats is what the store has done since it was opened.
type Stats struct {
	Records uint64 // applied
	Blocks  uint64
	Bytes   uint64 // of blocks, sealed
	Applied uint64
	Flushed uint64
	Gaps    uint64
	Disk    DiskCounts
}

// Stats is what the store has done since it was opened.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{Records: s.counts.records.Load(), Blocks: s.counts.blocks.Load(), Bytes: s.counts.bytes.Load(),
		Applied: s.state.applied, Flushed: s.state.flushed, Gaps: s.state.gaps, Disk: s.disk.Counts()}
}
