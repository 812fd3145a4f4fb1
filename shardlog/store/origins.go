package store

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// origin is one series of a gateway's bundle numbers.
type origin struct{ gateway, incarnation uint64 }

func originOf(id shardlog.BundleID) origin { return origin{id.Gateway, id.Incarnation} }

// bundles is what is remembered of an origin: which numbers have been applied
// and not been settled since, and where their entries went.
type bundles struct {
	settled uint64 // nobody asks for numbers below it any more
	last    uint64 // the greatest number applied
	used    uint64 // index of the command that named it last
	memos   map[uint64]shardlog.Memo
}

// run is one run of a command: count records of a shard from first.
type run struct {
	shard shardlog.ShardID
	first shardlog.Seq
	count uint32
}

// LastBundle is the greatest number applied of a gateway's incarnation, zero
// when there was none.
func (s *Store) LastBundle(gateway, incarnation uint64) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.state.origins[origin{gateway, incarnation}]; b != nil {
		return b.last
	}
	return 0
}

// Memo is what became of a bundle; false when no part of it has been applied.
// Kind Expired when its number is settled: then nobody knows any more.
func (s *Store) Memo(id shardlog.BundleID) (shardlog.Memo, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.state.origins[originOf(id)]
	if b == nil {
		return shardlog.Memo{}, false, nil
	}
	if id.Number < b.settled {
		return shardlog.Memo{}, false, shardlog.Errorf(shardlog.Expired, "find bundle", "number %d is settled", id.Number)
	}
	m, known := b.memos[id.Number]
	return m, known, nil
}

// repeats reports whether all the bundles have been applied before.
func (a *applying) repeats(all []shardlog.Bundle) bool {
	for _, u := range all {
		o := a.st.origins[originOf(u.ID)]
		if o == nil {
			return false
		}
		m, known := o.memos[u.ID.Number]
		if !known || len(m.Entries) < int(u.From)+len(u.Places) {
			return false
		}
	}
	return len(all) > 0
}

// checkBundles wants each bundle to be new, or to go on where it stopped.
func (a *applying) checkBundles(all []shardlog.Bundle) error {
	seen := map[shardlog.BundleID]bool{}
	for _, u := range all {
		at, fits := 0, !seen[u.ID]
		seen[u.ID] = true
		if o := a.st.origins[originOf(u.ID)]; o != nil {
			m, known := o.memos[u.ID.Number]
			at = len(m.Entries)
			fits = fits && u.ID.Number >= o.settled && (!known || len(u.Places) > 0)
		}
		if !fits || int(u.From) != at {
			return shardlog.Errorf(shardlog.Moved, "apply append", "bundle %d of gateway %x from entry %d on", u.ID.Number, u.ID.Gateway, u.From)
		}
	}
	return nil
}

// checkPlaces wants the places of bundles to lie in the runs of the command.
func checkPlaces(all []shardlog.Bundle, runs []run) error {
	left := make([]uint32, len(runs))
	for i, r := range runs {
		left[i] = r.count
	}
	for _, u := range all {
		for _, p := range u.Places {
			if p == shardlog.NoPlace {
				continue
			}
			if uint64(p) >= uint64(len(left)) || left[p] == 0 {
				return shardlog.Errorf(shardlog.Corrupt, "apply append", "bundle %d has no room in run %d", u.ID.Number, p)
			}
			left[p]--
		}
	}
	return nil
}

// remember keeps the bundles' numbers and where their entries went, and
// forgets what is settled.
func (a *applying) remember(c shardlog.Append, runs []run) {
	used := make([]shardlog.Seq, len(runs))
	for _, u := range c.Bundles {
		b := a.origin(originOf(u.ID))
		b.settle(u.Settled)
		b.last, b.used = max(b.last, u.ID.Number), a.index
		m := b.memos[u.ID.Number]
		m.Index = a.index
		for _, p := range u.Places {
			var e shardlog.Placed
			if p != shardlog.NoPlace {
				e = shardlog.Placed{Shard: runs[p].shard, Seq: runs[p].first + used[p], At: c.At.UnixMilli()}
				used[p]++
			}
			m.Entries = append(m.Entries, e)
		}
		b.memos[u.ID.Number] = m
	}
}

func (b *bundles) settle(below uint64) {
	if below <= b.settled {
		return
	}
	b.settled = below
	maps.DeleteFunc(b.memos, func(number uint64, _ shardlog.Memo) bool { return number < below })
}

// keptOrigins is how many series of one gateway are remembered: every start of
// a gateway begins one.
const keptOrigins = 32

// origin finds or makes what is remembered of an origin, and marks it changed.
func (a *applying) origin(o origin) *bundles {
	a.st.dirty.origins[o] = struct{}{}
	if b := a.st.origins[o]; b != nil {
		return b
	}
	b := &bundles{memos: map[uint64]shardlog.Memo{}, used: a.index}
	a.st.origins[o] = b
	var mine []origin
	for k := range a.st.origins {
		if k.gateway == o.gateway {
			mine = append(mine, k)
		}
	}
	if len(mine) > keptOrigins {
		a.forget(slices.MinFunc(mine, func(x, y origin) int {
			return cmp.Or(cmp.Compare(a.st.origins[x].used, a.st.origins[y].used), cmp.Compare(x.incarnation, y.incarnation))
		}))
	}
	return b
}

// forget forgets an origin, unless the same entry names it again, and the row
// that the release before peers had of it.
func (a *applying) forget(o origin) {
	delete(a.st.origins, o)
	key, st := originKey(o), a.st
	a.st.pending.ops = append(a.st.pending.ops, func(b *pebble.Batch) error {
		if err := b.Delete(bundleKey(o), nil); err != nil || st.origins[o] != nil {
			return err
		}
		return b.Delete(key, nil)
	})
}

// value is the row of kind stateOrigin: settled, last, used, then by number
// each memo: number, index, entries; an entry is stream + 1 (zero: refused),
// shard, sequence and arrival, the numbers as distances to the entry before.
func (b *bundles) value() []byte {
	var n numbers
	n.put(b.settled, b.last, b.used, uint64(len(b.memos)))
	for _, number := range slices.Sorted(maps.Keys(b.memos)) {
		m := b.memos[number]
		n.put(number, m.Index, uint64(len(m.Entries)))
		var before shardlog.Placed
		for _, e := range m.Entries {
			if e.Seq == 0 {
				n.put(0)
				continue
			}
			n.put(uint64(e.Shard.Stream)+1, uint64(e.Shard.Number))
			n.distance(int64(e.Seq-before.Seq), e.At-before.At)
			before = e
		}
	}
	return n.b
}

func (n *numbers) distance(v ...int64) {
	for _, v := range v {
		n.b = binary.AppendVarint(n.b, v)
	}
}

func (n *numbers) takeDistance() int64 {
	v, size := binary.Varint(n.b)
	if size <= 0 {
		n.b = nil
		return 0
	}
	n.b = n.b[size:]
	return v
}

func (st *state) loadOrigin(key, value []byte) error {
	o, err := parseOrigin(key)
	if err != nil {
		return err
	}
	n, b := numbers{value}, &bundles{memos: map[uint64]shardlog.Memo{}}
	b.settled, b.last, b.used = n.take(), n.take(), n.take()
	for range min(n.take(), uint64(len(n.b))) {
		number := n.take()
		m := shardlog.Memo{Index: n.take()}
		var before shardlog.Placed
		for range min(n.take(), uint64(len(n.b))) {
			var e shardlog.Placed
			if stream := n.take(); stream > 0 {
				e.Shard = shardlog.ShardID{Stream: shardlog.StreamID(stream - 1), Number: uint32(n.take())}
				e.Seq = before.Seq + shardlog.Seq(n.takeDistance())
				e.At = before.At + n.takeDistance()
				before = e
			}
			m.Entries = append(m.Entries, e)
		}
		b.memos[number] = m
	}
	st.origins[o] = b
	return n.done()
}

func parseOrigin(key []byte) (origin, error) {
	if len(key) != 16 {
		return origin{}, shardlog.Errorf(shardlog.Corrupt, "read origin", "key %x", key)
	}
	return origin{binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])}, nil
}

// loadBundles reads a row of the release before peers. Its numbers followed
// one another, and whoever gave them is not there any more to ask.
func (st *state) loadBundles(key, value []byte) error {
	o, err := parseOrigin(key)
	if err != nil {
		return err
	}
	n := numbers{value}
	last := n.take()
	st.origins[o] = &bundles{settled: last + 1, last: last, memos: map[uint64]shardlog.Memo{}}
	return nil
}
