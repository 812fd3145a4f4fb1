package streams_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/streams"
)

// machine is a log in memory with a proposer that takes its time: what a
// write path stands on, small enough for bubbles of virtual time. It takes an
// Append only if a machine must.
type machine struct {
	delay time.Duration
	// fate is asked before each proposal, when set: whether it is applied, and
	// which error its proposer gets.
	fate func(n int, c shardlog.Command) (apply bool, err error)
	deaf bool // applies, but opens no blocks: for benchmarks

	mu        sync.Mutex
	index     int
	proposals int
	tail      shardlog.Tail
	streams   []shardlog.Stream
	records   map[shardlog.ShardID][]shardlog.Record
	cells     map[string]shardlog.Version
	last      uint64
	memos     map[shardlog.BundleID]shardlog.Memo
	appends   []time.Time // when they were proposed
	largest   int         // bytes of blocks in one command
	usage     shardlog.Usage
}

func newMachine(shards int) *machine {
	m := &machine{records: map[shardlog.ShardID][]shardlog.Record{}, cells: map[string]shardlog.Version{},
		memos: map[shardlog.BundleID]shardlog.Memo{}}
	for i, name := range []shardlog.StreamName{"a", "b", "c"} {
		m.streams = append(m.streams, newStream(shardlog.StreamID(i+1), name, shards))
	}
	return m
}

func newStream(id shardlog.StreamID, name shardlog.StreamName, shards int) shardlog.Stream {
	s := shardlog.Stream{ID: id, Name: name, Class: shardlog.Telemetry, Retention: shardlog.DefaultRetention}
	for i, r := range keyspace.Even(shards) {
		s.Shards = append(s.Shards, shardlog.Shard{ID: shardlog.ShardID{Stream: id, Number: uint32(i)}, Created: 1000, From: r.From, To: r.To, Next: 1})
	}
	return s
}

func (m *machine) Propose(ctx context.Context, c shardlog.Command) (shardlog.Outcome, error) {
	m.mu.Lock()
	n := m.proposals
	m.proposals++
	if _, ok := c.(shardlog.Append); ok {
		m.appends = append(m.appends, time.Now())
	}
	m.mu.Unlock()
	apply, fate := true, error(nil)
	if m.fate != nil {
		apply, fate = m.fate(n, c)
	}
	if m.delay > 0 {
		select {
		case <-time.After(m.delay):
		case <-ctx.Done():
			return shardlog.Outcome{}, shardlog.Errorf(shardlog.Unknown, "propose", "%w", ctx.Err())
		}
	}
	var out shardlog.Outcome
	if apply {
		m.mu.Lock()
		out = m.apply(c)
		m.mu.Unlock()
	}
	return out, fate
}

func (m *machine) apply(c shardlog.Command) shardlog.Outcome {
	m.index++
	switch c := c.(type) {
	case shardlog.Append:
		return m.append(c)
	case shardlog.Mutate:
		return shardlog.Outcome{Err: m.mutate(c.Mutations)}
	case shardlog.DeleteStream:
		for i := range m.streams {
			if m.streams[i].Name == c.Name {
				m.streams = append(m.streams[:i:i], m.streams[i+1:]...)
				break
			}
		}
	}
	return shardlog.Outcome{}
}

func (m *machine) append(c shardlog.Append) shardlog.Outcome {
	refuse := func(format string, args ...any) shardlog.Outcome {
		return shardlog.Outcome{Err: shardlog.Errorf(shardlog.Moved, "apply", format, args...)}
	}
	known := len(c.Bundles) > 0
	for _, b := range c.Bundles {
		memo, ok := m.memos[b.ID]
		known = known && ok && len(memo.Entries) >= int(b.From)+len(b.Places)
	}
	if known {
		return shardlog.Outcome{Index: uint64(m.index)}
	}
	for _, b := range c.Bundles {
		if memo, ok := m.memos[b.ID]; ok && len(b.Places) == 0 || len(memo.Entries) != int(b.From) {
			return refuse("bundle %d from %d", b.ID.Number, b.From)
		}
	}
	if c.At.Before(m.tail.Stamp) || c.Bucket < m.tail.Bucket {
		return refuse("before the tail")
	}
	type run struct {
		shard shardlog.ShardID
		first shardlog.Seq
	}
	size, runs := 0, []run{}
	next := map[shardlog.ShardID]shardlog.Seq{}
	for _, b := range c.Blocks {
		size += len(b.Bytes)
		h, err := block.Peek(b.Bytes)
		if err != nil {
			return shardlog.Outcome{Err: err}
		}
		for _, r := range h.Runs {
			sh := m.shard(shardlog.ShardID{Stream: b.Stream, Number: r.Shard})
			if sh == nil || sh.Closed || max(sh.Next, next[sh.ID]) != r.First {
				return refuse("run %v of stream %d", r, b.Stream)
			}
			next[sh.ID] = r.First + shardlog.Seq(r.Count)
			runs = append(runs, run{sh.ID, r.First})
		}
	}
	if err := m.mutate(c.Mutations); err != nil {
		return shardlog.Outcome{Err: err}
	}
	m.largest = max(m.largest, size)
	m.keep(c, next)
	for _, b := range c.Bundles {
		memo := m.memos[b.ID]
		for _, p := range b.Places {
			var e shardlog.Placed
			if p != shardlog.NoPlace {
				e = shardlog.Placed{Shard: runs[p].shard, Seq: runs[p].first, At: c.At.UnixMilli()}
				runs[p].first++
			}
			memo.Entries = append(memo.Entries, e)
		}
		m.memos[b.ID] = memo
		if b.ID.Gateway == 1 { // the write path itself
			m.last = b.ID.Number
		}
	}
	return shardlog.Outcome{Index: uint64(m.index)}
}

func (m *machine) keep(c shardlog.Append, next map[shardlog.ShardID]shardlog.Seq) {
	for i, s := range m.streams {
		m.streams[i].Shards = append([]shardlog.Shard(nil), s.Shards...)
		for k := range s.Shards {
			if n, ok := next[s.Shards[k].ID]; ok {
				m.streams[i].Shards[k].Next = n
			}
		}
	}
	if c.Bucket != m.tail.Bucket {
		m.tail.Bucket, m.tail.BucketSince, m.tail.BucketBytes = c.Bucket, c.At, 0
	}
	m.tail.Stamp = c.At
	if m.deaf {
		return
	}
	for _, b := range c.Blocks {
		sealed <- b.Bytes
		open := <-opened
		for run, r := range open.Header().Runs {
			id := shardlog.ShardID{Stream: b.Stream, Number: r.Shard}
			for i := range int(r.Count) {
				m.records[id] = append(m.records[id], open.Record(run, i))
			}
		}
	}
}

func (m *machine) mutate(all []shardlog.Mutation) error {
	for _, c := range all {
		if !c.Expect.Met(m.cells[string(c.Space)+c.Key]) {
			return shardlog.Errorf(shardlog.Conflict, "mutate", "%s", c.Key)
		}
	}
	for _, c := range all {
		m.cells[string(c.Space)+c.Key] = shardlog.Version(m.index)
	}
	return nil
}

// shard finds a shard. The caller holds mu.
func (m *machine) shard(id shardlog.ShardID) *shardlog.Shard {
	for _, s := range m.streams {
		if s.ID == id.Stream {
			for i := range s.Shards {
				if s.Shards[i].ID == id {
					return &s.Shards[i]
				}
			}
		}
	}
	return nil
}

// split closes the first shard of a stream and opens two in its place.
func (m *machine) split(name shardlog.StreamName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, s := range m.streams {
		if s.Name != name {
			continue
		}
		shards := append([]shardlog.Shard(nil), s.Shards...)
		shards[0].Closed = true
		old := keyspace.Range{From: shards[0].From, To: shards[0].To}
		low, high, err := keyspace.Split(old, shardlog.Hash{Hi: old.To.Hi / 2})
		if err != nil {
			panic(err)
		}
		for _, r := range []keyspace.Range{low, high} {
			id := shardlog.ShardID{Stream: s.ID, Number: uint32(len(shards))}
			shards = append(shards, shardlog.Shard{ID: id, Created: 2000, From: r.From, To: r.To, Next: 1})
		}
		m.streams[i].Shards = shards
	}
}

// goOn moves the log on, so that a command under way does not fit it.
func (m *machine) goOn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail.Bucket, m.tail.BucketSince = m.tail.Bucket+1, wall()
}

func (m *machine) Stream(name shardlog.StreamName) (shardlog.Stream, bool) {
	for _, s := range m.Streams() {
		if s.Name == name {
			return s, true
		}
	}
	return shardlog.Stream{}, false
}

func (m *machine) StreamByID(id shardlog.StreamID) (shardlog.Stream, bool) {
	for _, s := range m.Streams() {
		if s.ID == id {
			return s, true
		}
	}
	return shardlog.Stream{}, false
}

func (m *machine) Streams() []shardlog.Stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]shardlog.Stream(nil), m.streams...)
}

func (m *machine) Tail() shardlog.Tail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tail
}

func (m *machine) Extents(shardlog.StreamID) []shardlog.Extent { return nil }

func (m *machine) LastBundle(uint64, uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func (m *machine) Memo(id shardlog.BundleID) (shardlog.Memo, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	memo, ok := m.memos[id]
	return memo, ok, nil
}

func (m *machine) Usage() (shardlog.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usage, nil
}

func (m *machine) Get(_ context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.cells[string(space)+key]; v > 0 {
		return []byte{1}, v, nil
	}
	return nil, 0, shardlog.Errorf(shardlog.NotFound, "get", "%s", key)
}

func (m *machine) List(context.Context, shardlog.Space, string) iter.Seq2[string, []byte] {
	return func(func(string, []byte) bool) {}
}

// stored is the record at a result's place, as key and data.
func (m *machine) stored(r shardlog.Result) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.records[r.Shard]
	if r.Number.Index < 1 || int(r.Number.Index) > len(all) {
		return fmt.Sprintf("nothing at %d of %d", r.Number.Index, len(all))
	}
	rec := all[r.Number.Index-1]
	if want := m.shard(r.Shard).Number(rec.Seq, rec.Arrived); want != r.Number {
		return fmt.Sprintf("number %v, not %v", want, r.Number)
	}
	return rec.Key + "=" + string(rec.Data)
}

func (m *machine) count() (records int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, all := range m.records {
		records += len(all)
	}
	return records
}

// wall is a bubble's time of day, which must lie behind the build of a gateway.
func wall() time.Time { return time.Now().AddDate(40, 0, 0) }

// machineClock is a clock of the bubble, synchronised.
func machineClock() *streams.Clock {
	start := time.Now()
	return &streams.Clock{Wall: wall, Uptime: func() time.Duration { return time.Since(start) }, Synced: func() bool { return true }}
}

// over is a write path over the machine; it is not run.
func over(t testing.TB, m *machine, change func(*streams.Config)) *streams.Log {
	t.Helper()
	c := streams.Config{Gateway: 1, Incarnation: 2, Proposer: m, Catalog: m, States: m, Ground: m, Clock: machineClock(), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	l, err := streams.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs the write path until stop is called, which waits for its end.
func run(ctx context.Context, l *streams.Log) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	return func() { cancel(); <-done }
}
