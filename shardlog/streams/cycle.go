package streams

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/keyspace"
)

// cycle turns waiting Puts into one Append. It belongs to Run. One builder
// serves all streams, one after the other, since an encoder is not small.
type cycle struct {
	l     *Log
	takes []take // by stream, those of one stream in the order of their Puts

	// of the command being built
	at      time.Time
	mark    block.Clock
	held    bool            // its clock expires nothing
	stream  shardlog.Stream // being gathered; ID zero: none
	ring    keyspace.Ring
	next    map[uint32]shardlog.Seq // by shard of that stream
	builder block.Builder
	blocks  []shardlog.SealedBlock
	numbers []shardlog.SequenceNumber // of the first record of every run sealed
	places  []uint32                  // of every entry
	bundles []shardlog.Bundle
	plain   bool // some entries came without a number
	muts    []shardlog.Mutation
	records int
	raw     int

	used []shardlog.Seq // scratch of settle
}

// take is the part of a Put that a command holds: entries from up to to.
type take struct {
	put      *put
	from, to int
}

// rank orders the takes of a stream: entries of numbered bundles come first in
// their runs, since those without a number are in no bundle's places.
func (t take) rank() int {
	if t.put.id.Number == 0 {
		return 1
	}
	return 0
}

// blockBytes is where a block is cut: more raw data compresses no better, and
// a reader opens it whole.
const blockBytes = 128 << 10

func newCycle(l *Log) *cycle { return &cycle{l: l, next: map[uint32]shardlog.Seq{}} }

// begin takes what waits. Until built, the entries of its Puts are being read.
func (c *cycle) begin(now time.Time) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.takes = c.l.pool.take(c.takes[:0], now)
	slices.SortStableFunc(c.takes, func(a, b take) int {
		return cmp.Or(strings.Compare(string(a.put.name), string(b.put.name)), a.rank()-b.rank())
	})
	c.l.built = make(chan struct{})
}

// again begins to read the entries another time, without those whose callers
// have gone.
func (c *cycle) again() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for _, t := range c.takes {
		if p := t.put; p.abandoned && !p.failed {
			p.fail(t.from, &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: errAbandoned})
		}
	}
	c.l.built = make(chan struct{})
}

// built ends the reading of entries.
func (c *cycle) built() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	close(c.l.built)
	c.l.built = nil
}

// seal makes the Append of what was taken, from the state as it is now. Puts
// that cannot be in it fail and stay out.
func (c *cycle) seal(ctx context.Context, stamp Stamp, number uint64, bucket uint32) (shardlog.Append, error) {
	c.reset(stamp)
	for _, t := range c.takes {
		if t.put.failed {
			continue
		}
		if err := c.turnTo(t.put.name); err != nil {
			return shardlog.Append{}, err
		}
		if err := c.admit(ctx, t); err != nil {
			t.put.fail(t.from, err)
			continue
		}
		if err := c.add(t); err != nil {
			return shardlog.Append{}, err
		}
		c.number(t)
		c.muts = append(c.muts, t.put.with...)
	}
	if err := c.cut(); err != nil {
		return shardlog.Append{}, err
	}
	if c.plain {
		id := shardlog.BundleID{Gateway: c.l.c.Gateway, Incarnation: c.l.c.Incarnation, Number: number}
		c.bundles = append(c.bundles, shardlog.Bundle{ID: id, Settled: number})
	}
	return shardlog.Append{At: c.at, Bucket: bucket, Bundles: c.bundles, Blocks: c.blocks, Mutations: c.muts}, nil
}

// number makes the bundle of a take that has been added last.
func (c *cycle) number(t take) {
	if t.put.id.Number == 0 {
		c.plain = c.plain || t.to > t.from
		return
	}
	u := shardlog.Bundle{ID: t.put.id, Settled: t.put.settled, From: uint32(t.from), Places: make([]uint32, t.to-t.from)}
	n := len(c.places)
	for i := t.to - 1; i >= t.from; i-- {
		u.Places[i-t.from] = shardlog.NoPlace
		if t.put.results[i].Err == nil {
			n--
			u.Places[i-t.from] = c.places[n]
		}
	}
	c.bundles = append(c.bundles, u)
}

func (c *cycle) reset(stamp Stamp) {
	c.at, c.mark, c.held = stamp.At, stamp.Mark, stamp.Held
	c.stream = shardlog.Stream{}
	c.builder.Reset()
	// What the last command held belongs to the proposer.
	c.blocks, c.muts, c.bundles = nil, nil, nil
	c.places, c.plain = c.places[:0], false
	c.numbers, c.records, c.raw = c.numbers[:0], 0, 0
}

// turnTo begins to gather entries of a stream.
func (c *cycle) turnTo(name shardlog.StreamName) error {
	if c.stream.Name == name {
		return nil
	}
	if err := c.cut(); err != nil {
		return err
	}
	s, ok := c.l.c.Catalog.Stream(name)
	if !ok {
		c.stream = shardlog.Stream{Name: name}
		return nil
	}
	c.stream = s
	clear(c.next)
	c.l.mu.Lock()
	c.ring = c.l.routeOf(s).ring
	c.l.mu.Unlock()
	return nil
}

// admit holds a Put against the state: its stream, its shards as they are
// now, and what its mutations expect.
func (c *cycle) admit(ctx context.Context, t take) error {
	p := t.put
	if c.stream.ID == 0 {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: p.name}
	}
	if err := c.l.goesOn(t); err != nil {
		return err
	}
	for i := t.from; i < t.to; i++ {
		if p.results[i].Err != nil {
			continue
		}
		id, ok := c.ring.Find(p.hashes[i])
		if !ok {
			return errNoShard(p.name)
		}
		p.results[i].Shard = id
	}
	return c.l.expected(ctx, p.with)
}

// add gathers the entries of a take.
func (c *cycle) add(t take) error {
	p := t.put
	for i := t.from; i < t.to; i++ {
		if p.results[i].Err != nil {
			continue
		}
		e := &p.entries[i]
		size := e.Size() + len(e.Meta)
		if had := c.builder.Bytes(); had > 0 && had+size > blockBytes {
			if err := c.cut(); err != nil {
				return err
			}
		}
		run := c.builder.Add(p.results[i].Shard.Number, *e)
		c.places = append(c.places, uint32(len(c.numbers)+run))
		c.records++
		c.raw += size
	}
	return nil
}

// cut seals the block that is open.
func (c *cycle) cut() error {
	if c.builder.Records() == 0 {
		return nil
	}
	runs := c.builder.Runs()
	for _, r := range runs {
		sh, _ := shardOf(&c.stream, r.Shard)
		if _, begun := c.next[r.Shard]; !begun {
			c.next[r.Shard] = sh.Next
		}
		c.numbers = append(c.numbers, sh.Number(c.next[r.Shard], c.at))
	}
	sealed, err := c.builder.Seal(block.Head{Stream: c.stream.ID, At: c.at, Clock: c.mark, Raw: c.stream.Class == shardlog.Video},
		func(shard uint32) shardlog.Seq { return c.next[shard] })
	if err != nil {
		return err
	}
	for _, r := range runs {
		c.next[r.Shard] += shardlog.Seq(r.Count)
	}
	c.blocks = append(c.blocks, shardlog.SealedBlock{Stream: c.stream.ID, Class: c.stream.Class, Bytes: sealed})
	return nil
}

var errAbandoned = errors.New("its caller went away")

// settle gives every entry its number: the command was applied as it was
// built, and an entry's place in its run is the count of those before it.
func (c *cycle) settle(out shardlog.Outcome) {
	c.used = append(c.used[:0], make([]shardlog.Seq, len(c.numbers))...)
	n := 0
	for _, t := range c.takes {
		p := t.put
		if p.failed {
			continue
		}
		p.index = out.Index
		for i := t.from; i < t.to; i++ {
			if p.results[i].Err != nil {
				continue
			}
			place := c.places[n]
			n++
			number := c.numbers[place]
			number.Index += c.used[place]
			c.used[place]++
			p.results[i].Number = number
		}
	}
}

// correct gives entries with a number the places that the log remembers: what
// was applied may have been a repetition of what another leader had taken.
func (c *cycle) correct() {
	for _, t := range c.takes {
		p := t.put
		if p.failed || p.id.Number == 0 {
			continue
		}
		m, _, err := c.l.c.Ground.Memo(p.id)
		if err == nil && len(m.Entries) < t.to {
			err = errElsewhere
		}
		if err != nil {
			p.fail(t.from, &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: err})
			continue
		}
		s, _ := c.l.c.Catalog.Stream(p.name)
		p.index = m.Index
		for i := t.from; i < t.to; i++ {
			p.results[i] = p.place(m.Entries[i], s)
		}
	}
}

// fail fails every Put of the cycle that has not failed by itself.
func (c *cycle) fail(kind shardlog.Kind, err error) {
	for _, t := range c.takes {
		if !t.put.failed {
			t.put.fail(t.from, &shardlog.Error{Kind: kind, Op: "put", Stream: t.put.name, Err: err})
		}
	}
}

// finish answers the Puts that are through.
func (c *cycle) finish(now time.Time) {
	l := c.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pool.back = now
	for _, t := range c.takes {
		p := t.put
		p.inFlight = false
		if p.failed && !p.abandoned {
			l.pool.remove(p)
		}
		if p.abandoned && !p.failed && p.next < len(p.entries) {
			// Who joined it must not take the rest, which went with its caller, for stored.
			p.fail(p.next, &shardlog.Error{Kind: shardlog.Unknown, Op: "put", Stream: p.name, Err: errAbandoned})
		}
		if p.abandoned || p.failed || p.next == len(p.entries) {
			l.forget(p)
			close(p.done)
		}
	}
	clear(c.takes)
	c.takes = c.takes[:0]
}
