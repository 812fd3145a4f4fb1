package shardlogtest

import (
	"headgate/shardlog"
)

// Trim moves a shard's horizon: readers see nothing before the Seq any more,
// only pinned cursors do.
func (m *Memory) Trim(id shardlog.ShardID, before shardlog.Seq) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, sh, err := m.shard("trim", id)
	if err != nil {
		return err
	}
	sh.Oldest = max(sh.Oldest, min(before, sh.Next))
	return nil
}

// GiveUp drops the records of a shard before the Seq and records a Gap of
// those that were still there.
func (m *Memory) GiveUp(id shardlog.ShardID, before shardlog.Seq, why shardlog.Reason) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, sh, err := m.shard("give up", id)
	if err != nil {
		return err
	}
	before = min(before, sh.Next)
	if before <= sh.Kept {
		return nil
	}
	gap := shardlog.Gap{
		Stream: s.Name, Shard: id, First: sh.Kept, Last: before - 1, Reason: why,
		Records: uint64(before - sh.Kept), At: m.tick(),
	}
	for i := sh.Kept; i < before; i++ {
		gap.Bytes += uint64(sh.records[i-1].Size())
		sh.records[i-1] = shardlog.Record{Arrived: sh.records[i-1].Arrived}
	}
	sh.Kept, sh.Oldest = before, max(sh.Oldest, before)
	m.index++
	m.gaps = append(m.gaps, gap)
	return nil
}
