package shardlogtest

import (
	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// SplitShard closes a shard and opens two children in its place, so that a
// test can see how a shard's end is read. A hash at which it cannot be split
// is Invalid, no such shard NotFound, a closed one InUse.
func (m *Memory) SplitShard(id shardlog.ShardID, at shardlog.Hash) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, parent, err := m.shard("split shard", id)
	if err != nil {
		return err
	}
	if parent.Closed {
		return &shardlog.Error{Kind: shardlog.InUse, Op: "split shard", Shard: &id}
	}
	low, high, err := keyspace.Split(keyspace.Range{From: parent.From, To: parent.To}, at)
	if err != nil {
		return err
	}
	m.index++
	now := m.tick()
	parent.Closed, parent.Ended = true, now
	created := max(uint64(now.Unix()), parent.Created) + 1
	for _, r := range []keyspace.Range{low, high} {
		number := id.Number
		m.addShard(s, r, created).Parent = &number
	}
	s.reroute()
	parent.wake()
	return nil
}

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
