package shardlogtest

import (
	"context"
	"sort"
	"time"

	"headgate/shardlog"
)

// Read is part of the contract Reader. A cursor beyond the tip finds nothing
// and stays where it is.
func (m *Memory) Read(ctx context.Context, id shardlog.ShardID, from shardlog.Cursor, most shardlog.Budget) (shardlog.Page, error) {
	if err := m.begin(ctx, "read"); err != nil {
		return shardlog.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, sh, err := m.shard("read", id)
	if err != nil {
		return shardlog.Page{}, err
	}
	start := sh.begin(from)
	page := shardlog.Page{Gaps: m.passed(s.Name, id, from.Next, start)}
	next, size := start, 0
	for next < sh.Next {
		r := sh.records[next-1]
		size += r.Size()
		if len(page.Records) > 0 && (len(page.Records) >= most.Records || size > most.Bytes) {
			break
		}
		page.Records = append(page.Records, r)
		next++
	}
	page.Next = shardlog.Cursor{Next: next, Pinned: from.Pinned}
	page.Tip = next >= sh.Next
	page.End = page.Tip && sh.Closed
	if n := len(page.Records); n > 0 && !page.Tip {
		page.Behind = max(0, m.now().Sub(page.Records[n-1].Arrived))
	}
	return page, nil
}

// begin is the first Seq that a cursor may read.
func (sh *shard) begin(from shardlog.Cursor) shardlog.Seq {
	if from.Pinned {
		return max(from.Next, sh.Kept)
	}
	return max(from.Next, sh.Oldest)
}

// passed is what was given up between two places of a shard.
func (m *Memory) passed(name shardlog.StreamName, id shardlog.ShardID, from, to shardlog.Seq) []shardlog.Gap {
	var gaps []shardlog.Gap
	for _, g := range m.gaps {
		if from > 0 && g.Stream == name && g.Shard == id && g.Last >= from && g.First < to {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

// Seek is part of the contract Reader.
func (m *Memory) Seek(ctx context.Context, id shardlog.ShardID, at time.Time) (shardlog.Cursor, error) {
	if err := m.begin(ctx, "seek"); err != nil {
		return shardlog.Cursor{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, sh, err := m.shard("seek", id)
	if err != nil {
		return shardlog.Cursor{}, err
	}
	seen := sh.records[sh.Oldest-1:]
	n := sort.Search(len(seen), func(i int) bool { return !seen[i].Arrived.Before(at) })
	return shardlog.Cursor{Next: sh.Oldest + shardlog.Seq(n)}, nil
}

// Wait is part of the contract Reader. When the stream is deleted it answers
// NotFound.
func (m *Memory) Wait(ctx context.Context, id shardlog.ShardID, next shardlog.Seq) error {
	if err := m.begin(ctx, "wait"); err != nil {
		return err
	}
	for {
		m.mu.Lock()
		_, sh, err := m.shard("wait", id)
		if err != nil || sh.Next > next || sh.Closed {
			m.mu.Unlock()
			return err
		}
		changed := sh.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: "wait", Shard: &id, Err: ctx.Err()}
		}
	}
}

// Records are all records of a stream that are still kept, shard by shard, in
// order; none when there is no such stream.
func (m *Memory) Records(name shardlog.StreamName) []shardlog.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []shardlog.Record
	if s, ok := m.streams[name]; ok {
		for _, sh := range s.shards {
			all = append(all, sh.records[sh.Kept-1:]...)
		}
	}
	return all
}
