package streams

import (
	"time"

	"headgate/shardlog"
)

// Stats is what the write path has done since it was made.
type Stats struct {
	Leading   bool
	Puts      uint64
	Records   uint64 // stored
	Bytes     uint64 // of them: data, keys and metas
	Sealed    uint64 // bytes of their blocks
	Commits   uint64
	Blocks    uint64
	Throttled uint64 // entries refused for a rate
	Invalid   uint64 // entries refused for what they are
	Refused   uint64 // Puts refused for want of room

	CommitTime time.Duration // sum over all commits, from sealing to the answer
	LastCommit time.Time     // zero when there was none
	Waiting    int           // Puts in the pool
	Oldest     time.Time     // when the longest waiting Put came, zero when none waits
	Marks      Marks         // of the disk budget
	Full       string        // why Puts are refused, "" when they are not
	Gaps       uint64        // gaps made here
}

// Stats is what the write path has done since it was made.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.counts
	s.Waiting, s.Oldest = len(l.pool.puts), l.pool.oldest()
	for _, t := range l.cycle.takes {
		if s.Oldest.IsZero() || t.put.since.Before(s.Oldest) {
			s.Oldest = t.put.since
		}
	}
	if l.full != nil {
		s.Full = l.full.Error()
	}
	return s
}

// Clock is what stamps the records.
func (l *Log) Clock() *Clock { return l.clock }

// committed counts a command that went through.
func (l *Log) committed(a shardlog.Append, began time.Time) {
	c, now := l.cycle, time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Commits++
	l.counts.CommitTime += now.Sub(began)
	l.counts.LastCommit = now
	l.counts.Records += uint64(c.records)
	l.counts.Bytes += uint64(c.raw)
	l.counts.Blocks += uint64(len(a.Blocks))
	for _, b := range a.Blocks {
		l.counts.Sealed += uint64(len(b.Bytes))
		l.fresh += len(b.Bytes)
	}
	l.noted = l.noted || c.held && len(a.Bundles) > 0
	if l.fresh >= weighBytes {
		l.fresh = 0
		wake(l.scale)
	}
}

// wake leaves a word for the one who listens, unless one lies there already.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
