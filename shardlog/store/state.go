package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// state is what the applied commands made. It lives in memory and goes to the
// disk now and then (flush.go); what a crash loses of it, the journal repeats.
type state struct {
	applied uint64
	flushed uint64 // the applied index that is on disk
	tail    shardlog.Tail
	lastID  shardlog.StreamID

	byName  map[shardlog.StreamName]*stream
	byID    map[shardlog.StreamID]*stream
	origins map[origin]*bundles
	cells   map[string]cell // small state changed since the flush, by space and key

	gaps    uint64   // rows of kind stateGap
	pending pending  // what the next flush must write beside the dirty rows
	dirty   dirtySet // rows that differ from the disk
}

// stream is a stream and where its blocks lie. The Shards slice is replaced,
// never changed in place, so that snapshots stay as they are.
type stream struct {
	shardlog.Stream
	horizon time.Time
	extents []*extent // by bucket
	ring    []ref     // the newest blocks, oldest first: all since the flush and some more
	skips   []skip    // since the flush
}

// extent is what one bucket holds of one stream.
type extent struct {
	shardlog.Extent
	firstIndex uint64 // of its first block
	skipped    int    // blocks since the last skip
	skipBytes  int    // and their bytes
}

// ref is a block and what it holds.
type ref struct {
	place
	at   time.Time
	runs []block.Run
}

// skip is a milestone among the blocks of an extent: before the block at
// index, the next sequence of every shard of the stream was so much.
type skip struct {
	bucket uint32
	index  uint64
	at     time.Time // arrival of that block
	next   []shardlog.ShardEnd
}

// cell is a value of small state; a nil value is a deletion.
type cell struct {
	value   []byte
	version shardlog.Version
}

func (st *state) load(db pebble.Reader) error {
	st.byName = map[shardlog.StreamName]*stream{}
	st.byID = map[shardlog.StreamID]*stream{}
	st.origins = map[origin]*bundles{}
	st.cells = map[string]cell{}
	st.dirty.reset()
	if err := eachRow(db, stateKey(stateApplied), st.loadApplied); err != nil {
		return err
	}
	if err := eachRow(db, stateKey(stateStream), st.loadStream); err != nil {
		return err
	}
	if err := eachRow(db, stateKey(stateExtent), st.loadExtent); err != nil {
		return err
	}
	if err := eachRow(db, stateKey(stateBundle), st.loadBundles); err != nil {
		return err
	}
	if err := eachRow(db, stateKey(stateOrigin), st.loadOrigin); err != nil {
		return err
	}
	return eachRow(db, stateKey(stateGap), func(_, _ []byte) error { st.gaps++; return nil })
}

// eachRow calls do for every key with the prefix, cut off.
func eachRow(db pebble.Reader, prefix []byte, do func(key, value []byte) error) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := do(it.Key()[len(prefix):], value); err != nil {
			return fmt.Errorf("row %x: %w", it.Key(), err)
		}
	}
	return it.Error()
}

// shardOf finds a shard by number.
func (st *stream) shardOf(number uint32) *shardlog.Shard {
	i, ok := slices.BinarySearchFunc(st.Shards, number, func(s shardlog.Shard, n uint32) int { return int(int64(s.ID.Number) - int64(n)) })
	if !ok {
		return nil
	}
	return &st.Shards[i]
}

// extentOf is the extent of a bucket, made when it is not there. Buckets never go back.
func (st *stream) extentOf(bucket uint32, index uint64, at time.Time) *extent {
	if n := len(st.extents); n > 0 && st.extents[n-1].Bucket == bucket {
		return st.extents[n-1]
	}
	e := &extent{firstIndex: index}
	e.Bucket, e.Stream, e.Class, e.Oldest, e.Newest = bucket, st.ID, st.Class, at, at
	st.extents = append(st.extents, e)
	return e
}

// reach raises the extent's end of a shard.
func (e *extent) reach(shard uint32, end shardlog.Seq) {
	i, ok := slices.BinarySearchFunc(e.Ends, shard, func(s shardlog.ShardEnd, n uint32) int { return int(int64(s.Shard) - int64(n)) })
	if !ok {
		e.Ends = slices.Insert(slices.Clone(e.Ends), i, shardlog.ShardEnd{Shard: shard, End: end})
		return
	}
	e.Ends[i].End = end
}

// end is how far a shard reaches in the extent; zero when it has nothing here.
func (e *extent) end(shard uint32) shardlog.Seq {
	i, ok := slices.BinarySearchFunc(e.Ends, shard, func(s shardlog.ShardEnd, n uint32) int { return int(int64(s.Shard) - int64(n)) })
	if !ok {
		return 0
	}
	return e.Ends[i].End
}

// snapshot is the stream as others may keep it.
func (st *stream) snapshot() shardlog.Stream { return st.Stream }

// Stream finds a stream by name.
func (s *Store) Stream(name shardlog.StreamName) (shardlog.Stream, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st := s.state.byName[name]; st != nil {
		return st.snapshot(), true
	}
	return shardlog.Stream{}, false
}

// StreamByID finds a stream by its incarnation.
func (s *Store) StreamByID(id shardlog.StreamID) (shardlog.Stream, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if st := s.state.byID[id]; st != nil {
		return st.snapshot(), true
	}
	return shardlog.Stream{}, false
}

// Streams lists the streams by name.
func (s *Store) Streams() []shardlog.Stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]shardlog.Stream, 0, len(s.state.byName))
	for _, st := range s.state.byName {
		all = append(all, st.snapshot())
	}
	slices.SortFunc(all, func(a, b shardlog.Stream) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Applied is the index of the last command applied.
func (s *Store) Applied() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.applied
}

// Tail is where the log stands.
func (s *Store) Tail() shardlog.Tail {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.state.tail
	t.Applied = s.state.applied
	return t
}

// Extents are the buckets that hold blocks of a stream, oldest first.
func (s *Store) Extents(id shardlog.StreamID) []shardlog.Extent {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.state.byID[id]
	if st == nil {
		return nil
	}
	all := make([]shardlog.Extent, len(st.extents))
	for i, e := range st.extents {
		all[i] = e.Extent
		if i == len(st.extents)-1 {
			all[i].Ends = slices.Clone(e.Ends) // still growing
		}
	}
	return all
}

// appliedRow is the row of kind stateApplied.
type appliedRow struct {
	Applied     uint64
	Stamp       time.Time
	Bucket      uint32
	BucketSince time.Time
	BucketBytes uint64
	LastID      shardlog.StreamID
}

func (st *state) appliedValue() []byte {
	return mustJSON(appliedRow{st.applied, st.tail.Stamp, st.tail.Bucket, st.tail.BucketSince, st.tail.BucketBytes, st.lastID})
}

func (st *state) loadApplied(_, value []byte) error {
	var r appliedRow
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	st.applied, st.flushed, st.lastID = r.Applied, r.Applied, r.LastID
	st.tail = shardlog.Tail{Stamp: r.Stamp, Bucket: r.Bucket, BucketSince: r.BucketSince, BucketBytes: r.BucketBytes}
	return nil
}

func unmarshal(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return shardlog.Errorf(shardlog.Corrupt, "read row", "%w", err)
	}
	return nil
}

// mustJSON marshals a row of ours; its types cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
