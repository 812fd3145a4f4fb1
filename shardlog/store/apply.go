package store

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Apply applies the commands of the log entry at index, unless it has them
// already; then it answers nil outcomes. It reads no clock and no chance. The
// blocks of an Append must lie in the journal under the same index.
func (s *Store) Apply(index uint64, batch []shardlog.Command) ([]shardlog.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index <= s.state.applied {
		return nil, nil
	}
	outcomes := make([]shardlog.Outcome, len(batch))
	a := applying{s: s, st: &s.state, index: index}
	for i, c := range batch {
		outcomes[i] = a.command(c)
		outcomes[i].Index = index
	}
	s.state.applied = index
	s.state.dirty.changed = true
	s.state.pending.commands++
	if s.state.due() {
		if err := s.flushState(nil); err != nil {
			return nil, err
		}
	}
	s.wakes.wake(a.touched)
	return outcomes, nil
}

// applying is one log entry being applied.
type applying struct {
	s       *Store
	st      *state
	index   uint64
	ord     uint16 // of the next block in the entry
	gaps    uint32 // made by the entry so far
	touched []shardlog.ShardID
}

func (a *applying) command(c shardlog.Command) shardlog.Outcome {
	switch c := c.(type) {
	case shardlog.Append:
		return a.append(c)
	case shardlog.CreateStream:
		return a.createStream(c)
	case shardlog.DeleteStream:
		return a.deleteStream(c)
	case shardlog.SetRetention:
		return a.setRetention(c)
	case shardlog.SetRecordSize:
		return a.setRecordSize(c)
	case shardlog.SplitShard:
		return a.splitShard(c)
	case shardlog.MergeShards:
		return a.mergeShards(c)
	case shardlog.Trim:
		return a.trim(c)
	case shardlog.Mutate:
		return shardlog.Outcome{Err: a.mutate(c.Mutations)}
	case shardlog.Concede:
		return a.concede(c)
	}
	return shardlog.Outcome{Err: shardlog.Errorf(shardlog.Invalid, "apply", "unknown command %T", c)}
}

// append takes an Append as a whole or not at all.
func (a *applying) append(c shardlog.Append) shardlog.Outcome {
	first := a.ord
	a.ord += uint16(len(c.Blocks))
	if a.repeats(c.Bundles) {
		a.dropBlocks(c, first)
		return shardlog.Outcome{}
	}
	plan, err := a.plan(c, first)
	if err != nil {
		a.dropBlocks(c, first)
		return shardlog.Outcome{Err: err}
	}
	a.mutated(c.Mutations)
	a.take(c, plan)
	return shardlog.Outcome{}
}

// plan is an Append that fits the state.
type plan struct {
	refs []ref
	runs []run // numbered over all blocks
}

// plan checks everything an Append asks for and changes nothing.
func (a *applying) plan(c shardlog.Append, ord uint16) (plan, error) {
	if err := a.checkBundles(c.Bundles); err != nil {
		return plan{}, err
	}
	if c.Bucket < a.st.tail.Bucket || c.At.Before(a.st.tail.Stamp) {
		return plan{}, shardlog.Errorf(shardlog.Moved, "apply append", "bucket %d or time lies before the tail", c.Bucket)
	}
	if err := a.checkMutations(c.Mutations); err != nil {
		return plan{}, err
	}
	var p plan
	next := map[shardlog.ShardID]shardlog.Seq{}
	for i, sealed := range c.Blocks {
		head, err := block.Peek(sealed.Bytes)
		if err != nil {
			return plan{}, err
		}
		st := a.st.byID[sealed.Stream]
		if st == nil || head.Stream != sealed.Stream || st.Class != sealed.Class {
			return plan{}, shardlog.Errorf(shardlog.Moved, "apply append", "stream %d is not there", sealed.Stream)
		}
		for _, r := range head.Runs {
			sh := st.shardOf(r.Shard)
			if sh == nil || sh.Closed {
				return plan{}, &shardlog.Error{Kind: shardlog.Moved, Op: "apply append", Stream: st.Name, Shard: &shardlog.ShardID{Stream: st.ID, Number: r.Shard}}
			}
			want, seen := next[sh.ID]
			if !seen {
				want = sh.Next
			}
			if r.First != want {
				return plan{}, shardlog.Errorf(shardlog.Moved, "apply append", "%s of %s goes on at %d, not %d", sh.ID, st.Name, want, r.First)
			}
			next[sh.ID] = r.First + shardlog.Seq(r.Count)
			p.runs = append(p.runs, run{sh.ID, r.First, r.Count})
		}
		at := place{class: sealed.Class, bucket: c.Bucket, stream: sealed.Stream, index: a.index, ord: ord + uint16(i)}
		p.refs = append(p.refs, ref{place: at, at: c.At, runs: head.Runs})
	}
	return p, checkPlaces(c.Bundles, p.runs)
}

// take makes a checked Append part of the state.
func (a *applying) take(c shardlog.Append, p plan) {
	t := &a.st.tail
	if c.Bucket != t.Bucket {
		t.Bucket, t.BucketSince, t.BucketBytes = c.Bucket, c.At, 0
	}
	t.Stamp = c.At
	cloned := map[shardlog.StreamID]bool{}
	for i, r := range p.refs {
		size := len(c.Blocks[i].Bytes)
		t.BucketBytes += uint64(size)
		a.st.pending.bytes += size
		st := a.st.byID[r.stream]
		if !cloned[r.stream] {
			st.Shards, cloned[r.stream] = slices.Clone(st.Shards), true
			a.st.dirty.streams[r.stream] = struct{}{}
		}
		a.extend(st, r, size)
		st.ring = append(st.ring, r)
		a.s.cache.addSealed(r.place, c.Blocks[i].Bytes)
		a.s.counts.appended(r.runs, size)
	}
	a.remember(c, p.runs)
}

// extend counts a block into its extent and moves its shards on.
func (a *applying) extend(st *stream, r ref, size int) {
	e := st.extentOf(r.bucket, r.index, r.at)
	a.st.dirty.extents[e] = struct{}{}
	if e.skipped++; e.skipped == 1 || e.skipped > skipBlocks || e.skipBytes > skipBytes {
		st.skips = append(st.skips, skip{bucket: r.bucket, index: r.index, at: r.at, next: st.nexts()})
		e.skipped, e.skipBytes = 1, 0
	}
	e.skipBytes += size
	e.Bytes += uint64(size)
	e.Newest = r.at
	for _, run := range r.runs {
		sh := st.shardOf(run.Shard)
		sh.Next = run.First + shardlog.Seq(run.Count)
		e.Records += uint64(run.Count)
		e.reach(run.Shard, sh.Next)
		a.touched = append(a.touched, sh.ID)
	}
}

// dropBlocks deletes the blocks of an Append that was not taken.
func (a *applying) dropBlocks(c shardlog.Append, first uint16) {
	for i, sealed := range c.Blocks {
		key := place{sealed.Class, c.Bucket, sealed.Stream, a.index, first + uint16(i)}.key()
		a.st.pending.ops = append(a.st.pending.ops, func(b *pebble.Batch) error { return b.Delete(key, nil) })
	}
}

// nexts is the next sequence of every shard that has records.
func (st *stream) nexts() []shardlog.ShardEnd {
	ends := make([]shardlog.ShardEnd, 0, len(st.Shards))
	for _, sh := range st.Shards {
		if sh.Next > 1 {
			ends = append(ends, shardlog.ShardEnd{Shard: sh.ID.Number, End: sh.Next})
		}
	}
	return ends
}

const (
	skipBlocks = 64
	skipBytes  = 256 << 10
	ringKept   = 64 // refs that stay in memory after a flush
)

func (st *stream) shrinkRing() {
	if extra := len(st.ring) - ringKept; extra > 0 {
		st.ring = slices.Clone(st.ring[extra:])
	}
}
