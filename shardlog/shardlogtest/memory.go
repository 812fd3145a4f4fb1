// Package shardlogtest is for tests of rooms that write and read shard logs:
// a log in memory, a conformance suite for every log, and a ledger that finds
// lost, altered and doubly numbered records. It knows no disk, no protocol
// and no replication.
package shardlogtest

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/quota"
)

// Log is all that a whole shard log offers.
type Log interface {
	shardlog.Writer
	shardlog.Reader
	shardlog.Catalog
	shardlog.Control
	shardlog.States
	shardlog.Gaps
}

// Memory is a Log in memory. What it holds is gone with it, otherwise it
// keeps every promise of the contracts. The exported fields are set before
// its first use.
type Memory struct {
	Quota *quota.Limits    // write limits of each shard; nil: none
	Now   func() time.Time // nil: time.Now
	// Fail, when it answers an error, makes a call answer the same. It is
	// asked before the call does anything, with "put", "read", "seek", "wait",
	// "get", "mutate", "create stream", "delete stream" or "set retention";
	// and once more after it was done, with "put done" and "mutate done". It
	// is asked by many goroutines at once.
	Fail func(op string) error

	mu      sync.Mutex
	index   uint64 // of the last command
	stamp   time.Time
	lastID  shardlog.StreamID
	streams map[shardlog.StreamName]*stream
	state   map[place]value
	gaps    []shardlog.Gap
	hold    *Hold
}

type stream struct {
	shardlog.Stream // its Shards are unused
	shards          []*shard
	ring            keyspace.Ring
}

// shard is one shard; its record at Seq n is records[n-1], emptied
// once it was given up.
type shard struct {
	shardlog.Shard
	records []shardlog.Record
	write   quota.Write
	changed chan struct{} // closed and replaced when something is to be seen
}

// NewMemory is an empty log without quotas.
func NewMemory() *Memory {
	return &Memory{streams: make(map[shardlog.StreamName]*stream), state: make(map[place]value)}
}

// begin is how every call begins.
func (m *Memory) begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, Err: err}
	}
	return m.fail(op)
}

func (m *Memory) fail(op string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(op)
}

// tick is the next arrival time: now in milliseconds, never back.
func (m *Memory) tick() time.Time {
	if now := m.now(); now.After(m.stamp) {
		m.stamp = now
	}
	return m.stamp
}

func (m *Memory) now() time.Time {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	return now().UTC().Truncate(time.Millisecond)
}

// shard finds a shard of a stream that still exists.
func (m *Memory) shard(op string, id shardlog.ShardID) (*stream, *shard, error) {
	for _, s := range m.streams {
		if s.ID == id.Stream && int(id.Number) < len(s.shards) {
			m.expire(s)
			return s, s.shards[id.Number], nil
		}
	}
	return nil, nil, &shardlog.Error{Kind: shardlog.NotFound, Op: op, Shard: &id}
}

// expire moves the horizon of a stream behind what its retention has ended.
func (m *Memory) expire(s *stream) {
	horizon := m.now().Add(-s.Retention)
	for _, sh := range s.shards {
		for sh.Oldest < sh.Next && sh.records[sh.Oldest-1].Arrived.Before(horizon) {
			sh.Oldest++
		}
	}
}

func (sh *shard) wake() {
	close(sh.changed)
	sh.changed = make(chan struct{})
}

// snapshot is the stream as the Catalog shows it.
func (s *stream) snapshot() shardlog.Stream {
	out := s.Stream
	out.Shards = make([]shardlog.Shard, len(s.shards))
	for i, sh := range s.shards {
		out.Shards[i] = sh.Shard
	}
	return out
}

// Stream is part of the contract Catalog.
func (m *Memory) Stream(name shardlog.StreamName) (shardlog.Stream, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.streams[name]
	if !ok {
		return shardlog.Stream{}, false
	}
	m.expire(s)
	return s.snapshot(), true
}

// StreamByID is part of the contract Catalog.
func (m *Memory) StreamByID(id shardlog.StreamID) (shardlog.Stream, bool) {
	for _, s := range m.Streams() {
		if s.ID == id {
			return s, true
		}
	}
	return shardlog.Stream{}, false
}

// Streams is part of the contract Catalog.
func (m *Memory) Streams() []shardlog.Stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]shardlog.Stream, 0, len(m.streams))
	for _, s := range m.streams {
		m.expire(s)
		all = append(all, s.snapshot())
	}
	slices.SortFunc(all, func(a, b shardlog.Stream) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Gaps is the contract Gaps.
func (m *Memory) Gaps(ctx context.Context) iter.Seq2[shardlog.Gap, error] {
	m.mu.Lock()
	gaps := slices.Clone(m.gaps)
	m.mu.Unlock()
	return func(yield func(shardlog.Gap, error) bool) {
		for _, g := range gaps {
			if !yield(g, nil) {
				return
			}
		}
	}
}
