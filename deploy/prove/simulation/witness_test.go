package simulation_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
	"headgate/shardlog/store"
)

// witness sees what every gateway applies: at one index all of them apply the
// same, with the same outcome, whenever they come to it.
type witness struct {
	*store.Store
	life *life
}

func (w witness) Apply(index uint64, batch []shardlog.Command) ([]shardlog.Outcome, error) {
	if index <= w.Applied() {
		return w.Store.Apply(index, batch)
	}
	for _, c := range batch {
		if t, ok := c.(shardlog.Trim); ok {
			w.life.known(func() { w.life.sim.truth.trims(t) })
		}
	}
	next := w.nexts(batch)
	out, err := w.Store.Apply(index, batch)
	if err == nil && !w.life.known(func() { w.life.sim.truth.applied(w.life, index, batch, out, next) }) {
		w.life.sim.truth.ghosts(index)
	}
	return out, err
}

// nexts are the places that the next records of streams get.
func (w witness) nexts(batch []shardlog.Command) map[shardlog.ShardID]shardlog.Seq {
	next := map[shardlog.ShardID]shardlog.Seq{}
	for _, c := range batch {
		a, ok := c.(shardlog.Append)
		if !ok {
			continue
		}
		for _, b := range a.Blocks {
			if s, ok := w.StreamByID(b.Stream); ok {
				for _, sh := range s.Shards {
					next[sh.ID] = sh.Next
				}
			}
		}
	}
	return next
}

// truth is the log as it was agreed on.
type truth struct {
	sim     *history
	entries map[uint64]agreed                            // by index
	blind   bool                                         // some record was seen applied by nobody
	ghostly map[uint64]bool                              // entries that a gateway applied as its power was cut: its disk may know of them
	shards  map[shardlog.ShardID]map[shardlog.Seq]uint64 // ids
	places  map[uint64][]place                           // of ids
	names   map[shardlog.StreamID]shardlog.StreamName
	deleted map[shardlog.StreamID]bool
	gapped  map[shardlog.StreamName]uint64  // records of gaps without a place
	hidden  map[shardlog.StreamID]time.Time // records that arrived before are not read
	arrived map[place]time.Time
}

type agreed struct {
	digest uint64
	by     string
	batch  []byte // encoded
}

// place is where a record lies.
type place struct {
	shard shardlog.ShardID
	seq   shardlog.Seq
}

func newTruth(s *history) *truth {
	return &truth{sim: s, entries: map[uint64]agreed{}, ghostly: map[uint64]bool{}, shards: map[shardlog.ShardID]map[shardlog.Seq]uint64{}, places: map[uint64][]place{},
		names: map[shardlog.StreamID]shardlog.StreamName{}, deleted: map[shardlog.StreamID]bool{}, gapped: map[shardlog.StreamName]uint64{},
		hidden: map[shardlog.StreamID]time.Time{}, arrived: map[place]time.Time{}}
}

// applied takes a gateway's word.
func (t *truth) applied(l *life, index uint64, batch []shardlog.Command, out []shardlog.Outcome, next map[shardlog.ShardID]shardlog.Seq) {
	digest := digestOf(batch, out)
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	by := fmt.Sprintf("box %d life %d", l.host(), l.number)
	if was, known := t.entries[index]; known {
		if was.digest != digest {
			t.sim.failLocked("entry %d: %s and %s applied different things", index, was.by, by)
		}
		return
	}
	t.entries[index] = agreed{digest, by, shardlog.EncodeCommands(nil, batch)}
	for i, c := range batch {
		if out[i].Err == nil {
			t.command(c, out[i], next)
		}
	}
}

func digestOf(batch []shardlog.Command, out []shardlog.Outcome) uint64 {
	h := fnv.New64a()
	for i, c := range batch {
		if a, ok := c.(shardlog.Append); ok {
			for _, b := range a.Blocks {
				h.Write(b.Bytes[max(0, len(b.Bytes)-16):])
				h.Write(b.Bytes[:min(len(b.Bytes), 32)])
				fmt.Fprintf(h, "%d %d;", b.Stream, len(b.Bytes))
			}
			fmt.Fprintf(h, "%v %d %v", a.At.UnixMilli(), a.Bucket, a.Bundles)
			for _, m := range a.Mutations {
				fmt.Fprintf(h, "%s %s %x;", m.Space, m.Key, m.Value)
			}
		} else {
			fmt.Fprintf(h, "%T%v", c, c)
		}
		kind := 255
		if out[i].Err != nil {
			kind = int(shardlog.KindOf(out[i].Err))
		}
		fmt.Fprintf(h, "=%d,%d", kind, len(out[i].Gaps))
	}
	return h.Sum64()
}

func (t *truth) command(c shardlog.Command, out shardlog.Outcome, next map[shardlog.ShardID]shardlog.Seq) {
	switch c := c.(type) {
	case shardlog.CreateStream:
		t.names[out.Made.ID] = out.Made.Name
	case shardlog.Concede:
		for _, g := range c.Gaps {
			t.gapped[g.Stream] += g.Records
		}
	case shardlog.DeleteStream:
		for id, name := range t.names {
			if name == c.Name {
				t.deleted[id] = true
			}
		}
	case shardlog.Append:
		for _, b := range c.Blocks {
			t.block(b, next)
		}
	}
}

func (t *truth) block(b shardlog.SealedBlock, next map[shardlog.ShardID]shardlog.Seq) {
	o, err := block.Open(b.Bytes)
	if err != nil {
		t.sim.failLocked("a block that was applied cannot be opened: %v", err)
		return
	}
	for i, r := range o.Header().Runs {
		id := shardlog.ShardID{Stream: b.Stream, Number: r.Shard}
		if r.First < next[id] {
			continue // a repetition
		}
		if r.First > next[id] {
			t.sim.failLocked("%v of %d: a run begins at %d, %d was to come", id, id.Stream, r.First, next[id])
			continue
		}
		next[id] += shardlog.Seq(r.Count)
		for k := range r.Count {
			rec := o.Record(i, int(k))
			t.record(place{id, r.First + shardlog.Seq(k)}, rec)
		}
	}
}

func (t *truth) record(p place, rec shardlog.Record) {
	id := idOf(rec.Meta)
	t.arrived[p] = rec.Arrived
	if t.shards[p.shard] == nil {
		t.shards[p.shard] = map[shardlog.Seq]uint64{}
	}
	if _, taken := t.shards[p.shard][p.seq]; taken {
		t.sim.failLocked("%v of %d: %d is given twice", p.shard, p.shard.Stream, p.seq)
	}
	t.shards[p.shard][p.seq] = id
	if id != 0 {
		t.places[id] = append(t.places[id], p)
	}
}

// ghosts takes note of an entry that was applied, and nobody heard of it.
func (t *truth) ghosts(index uint64) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.ghostly[index] = true
}

// whole reports whether all entries up to one were seen.
func (t *truth) whole(last uint64) bool {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	for index := range t.ghostly {
		if _, seen := t.entries[index]; index <= last && !seen {
			return false
		}
	}
	return !t.blind
}

// trims takes note of a Trim that is about to be applied: as soon as it is,
// readers miss what it hides.
func (t *truth) trims(c shardlog.Trim) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	if c.Horizon.After(t.hidden[c.Stream]) {
		t.hidden[c.Stream] = c.Horizon
	}
}

// hides reports whether a record arrived before the horizon.
func (t *truth) hides(p place) bool {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	at, known := t.arrived[p]
	return known && at.Before(t.hidden[p.shard.Stream])
}

// idOf is the id in a Meta, also in an orphan's; zero: there is none.
func idOf(meta []byte) uint64 {
	if len(meta) == 8 {
		return binary.BigEndian.Uint64(meta)
	}
	var o struct {
		Meta []byte `json:"meta"`
	}
	if json.Unmarshal(meta, &o) == nil && len(o.Meta) == 8 {
		return binary.BigEndian.Uint64(o.Meta)
	}
	return 0
}
