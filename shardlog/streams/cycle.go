package streams

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/keyspace"
)

// cycle turns waiting Puts into one Append. It belongs to Run.
type cycle struct {
	l      *Log
	number uint64 // of the bundle
	takes  []take
	build  map[shardlog.StreamID]*building
	order  []*building // by first use
	spare  []*building
	next   map[shardlog.ShardID]shardlog.Seq
	blocks []shardlog.SealedBlock
	runs   []int // of each block
	places []uint32
	muts   []shardlog.Mutation
	raw    int
}

// take is the part of a Put that a command holds: entries from up to to.
type take struct {
	put      *put
	from, to int
}

// building is a stream whose entries are being gathered.
type building struct {
	stream  shardlog.Stream
	ring    keyspace.Ring
	builder block.Builder
	block   int // ordinal of the block that is open
}

// A block is cut at so much raw data: more compresses no better, and a reader
// opens it whole.
const blockBytes = 128 << 10

// pending place: the block's ordinal above, the run in it below; resolved
// once all blocks are known.
const runBits = 16

func newCycle(l *Log) *cycle {
	return &cycle{l: l, build: map[shardlog.StreamID]*building{}, next: map[shardlog.ShardID]shardlog.Seq{}}
}

// collect takes what a command may hold from the pool. The caller holds mu.
func (c *cycle) collect(p *pool) {
	size, keep := 0, p.puts[:0]
	touched := map[string]bool{}
	for i, q := range p.puts {
		if size >= shardlog.MaxCommandBytes {
			keep = append(keep, p.puts[i:]...)
			break
		}
		if len(q.with) > 0 && overlaps(touched, q.with) {
			keep = append(keep, q)
			continue
		}
		from := q.next
		size += q.advance(shardlog.MaxCommandBytes - size)
		c.takes = append(c.takes, take{q, from, q.next})
		q.sealed = true
		if q.next < len(q.entries) {
			keep = append(keep, q)
		}
	}
	clear(p.puts[len(keep):])
	p.puts = keep
	p.recount()
	close(p.room)
	p.room = make(chan struct{})
}

// overlaps reports whether a Put changes state that an earlier one of the
// same command changes: it waits for the next. It notes what it changes.
func overlaps(touched map[string]bool, with []shardlog.Mutation) bool {
	for _, m := range with {
		if touched[string(m.Space)+"\x00"+m.Key] {
			return true
		}
	}
	for _, m := range with {
		touched[string(m.Space)+"\x00"+m.Key] = true
	}
	return false
}

// advance moves next over as many entries as fit, at least one, and all when
// the Put has mutations. It answers their bytes.
func (q *put) advance(room int) int {
	size := 0
	for q.next < len(q.entries) {
		e := &q.entries[q.next]
		if q.results[q.next].Err == nil {
			n := e.Size() + len(e.Meta)
			if size > 0 && size+n > room && len(q.with) == 0 {
				break
			}
			size += n
		}
		q.next++
	}
	q.bytes -= size
	return size
}

func (p *pool) recount() {
	p.records, p.bytes = 0, 0
	for _, q := range p.puts {
		p.bytes += q.bytes
		for _, r := range q.results[q.next:] {
			if r.Err == nil {
				p.records++
			}
		}
	}
}

// seal makes the Append of what was collected, from the state as it is now.
// Puts that cannot be in it get their error and leave.
func (c *cycle) seal(ctx context.Context, at time.Time, mark block.Clock, bucket uint32) (shardlog.Append, error) {
	c.reset()
	for i := range c.takes {
		t := &c.takes[i]
		if t.put.err != nil {
			continue
		}
		if t.put.err = c.expectations(ctx, t.put); t.put.err != nil {
			continue
		}
		if err := c.add(t, at, mark); err != nil {
			return shardlog.Append{}, err
		}
		c.muts = append(c.muts, t.put.with...)
	}
	for _, b := range c.order {
		if err := c.cut(b, at, mark); err != nil {
			return shardlog.Append{}, err
		}
	}
	c.resolve()
	a := shardlog.Append{At: at, Bucket: bucket, Blocks: c.blocks, Mutations: c.muts}
	if len(c.places) > 0 {
		a.Bundles = []shardlog.Bundle{{ID: shardlog.BundleID{Gateway: c.l.c.Gateway, Incarnation: c.l.c.Incarnation, Number: c.number}, Places: c.places}}
	}
	return a, nil
}

func (c *cycle) reset() {
	for _, b := range c.order {
		b.builder.Reset()
	}
	c.spare = append(c.spare, c.order...)
	c.order = c.order[:0]
	clear(c.build)
	clear(c.next)
	c.blocks, c.muts, c.places, c.runs, c.raw = nil, nil, nil, nil, 0
}

// expectations holds a Put's mutations against the state.
func (c *cycle) expectations(ctx context.Context, p *put) error {
	for _, m := range p.with {
		if _, checked := m.Expect.Wanted(); !checked {
			continue
		}
		_, version, err := c.l.c.States.Get(ctx, m.Space, m.Key)
		if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
			return err
		}
		if !m.Expect.Met(version) {
			return shardlog.Errorf(shardlog.Conflict, "put", "%s %q is at version %d", m.Space, m.Key, version)
		}
	}
	return nil
}

// add gathers the entries of a take, routed as the shards are now.
func (c *cycle) add(t *take, at time.Time, mark block.Clock) error {
	b := c.building(t.put.name)
	if b == nil {
		t.put.err = &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: t.put.name}
		return nil
	}
	p := t.put
	for i := t.from; i < t.to; i++ {
		if p.results[i].Err != nil {
			c.places = append(c.places, shardlog.NoPlace)
			continue
		}
		id, ok := b.ring.Find(p.hashes[i])
		if !ok {
			p.results[i].Err = &shardlog.Error{Kind: shardlog.Unavailable, Op: "put", Stream: p.name}
			c.places = append(c.places, shardlog.NoPlace)
			continue
		}
		p.results[i].Shard = id
		if b.builder.Bytes() >= blockBytes {
			if err := c.cut(b, at, mark); err != nil {
				return err
			}
		}
		if b.builder.Records() == 0 {
			b.block = len(c.runs)
			c.runs = append(c.runs, 0)
			c.blocks = append(c.blocks, shardlog.SealedBlock{Stream: b.stream.ID, Class: b.stream.Class})
		}
		run := b.builder.Add(id.Number, p.entries[i])
		c.runs[b.block] = max(c.runs[b.block], run+1)
		c.places = append(c.places, uint32(b.block)<<runBits|uint32(run))
		c.raw += p.entries[i].Size() + len(p.entries[i].Meta)
	}
	return nil
}

// building is where entries of a stream are gathered; nil when it is gone.
func (c *cycle) building(name shardlog.StreamName) *building {
	s, ok := c.l.c.Catalog.Stream(name)
	if !ok {
		return nil
	}
	if b := c.build[s.ID]; b != nil {
		return b
	}
	b := &building{}
	if n := len(c.spare); n > 0 {
		b, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	b.stream = s
	c.l.mu.Lock()
	b.ring = c.l.routeOf(s).ring
	c.l.mu.Unlock()
	for i := range s.Shards {
		c.next[s.Shards[i].ID] = s.Shards[i].Next
	}
	c.build[s.ID] = b
	c.order = append(c.order, b)
	return b
}

// cut seals the block that is open.
func (c *cycle) cut(b *building, at time.Time, mark block.Clock) error {
	if b.builder.Records() == 0 {
		return nil
	}
	runs := b.builder.Runs()
	sealed, err := b.builder.Seal(block.Head{Stream: b.stream.ID, At: at, Clock: mark}, func(shard uint32) shardlog.Seq {
		return c.next[shardlog.ShardID{Stream: b.stream.ID, Number: shard}]
	})
	if err != nil {
		return err
	}
	for _, r := range runs {
		c.next[shardlog.ShardID{Stream: b.stream.ID, Number: r.Shard}] += shardlog.Seq(r.Count)
	}
	c.blocks[b.block].Bytes = sealed
	return nil
}

// resolve turns the places into ordinals of runs over all blocks.
func (c *cycle) resolve() {
	base, sum := make([]uint32, len(c.runs)), uint32(0)
	for i, n := range c.runs {
		base[i] = sum
		sum += uint32(n)
	}
	for i, p := range c.places {
		if p != shardlog.NoPlace {
			c.places[i] = base[p>>runBits] + p&(1<<runBits-1)
		}
	}
}

var errLost = errors.New("the answer does not fit the command")

// settle gives every entry its number. An entry's place in its run is the
// count of those of the same run before it.
func (c *cycle) settle(out shardlog.Outcome, at time.Time) {
	used := make([]shardlog.Seq, len(out.Runs))
	n := 0
	for i := range c.takes {
		t := &c.takes[i]
		if t.put.err != nil {
			continue
		}
		b := c.build[c.idOf(t.put.name)]
		for k := t.from; k < t.to; k++ {
			place := c.places[n]
			n++
			if place == shardlog.NoPlace {
				continue
			}
			if int(place) >= len(out.Runs) {
				t.put.err = &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: t.put.name, Err: errLost}
				continue
			}
			run := out.Runs[place]
			sh, _ := b.stream.Shard(run.Shard.Number)
			t.put.results[k].Shard = run.Shard
			t.put.results[k].Number = sh.Number(run.First+used[place], at)
			used[place]++
		}
	}
}

// idOf is the incarnation that the cycle wrote to.
func (c *cycle) idOf(name shardlog.StreamName) shardlog.StreamID {
	for id, b := range c.build {
		if b.stream.Name == name {
			return id
		}
	}
	return 0
}
