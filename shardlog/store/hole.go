package store

import (
	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// hole is the row of an extent that holds less than its state says: blocks
// of it are missing. Which, only a peer can tell.
type hole struct {
	Want, Have uint64 // bytes
}

const localHole = "hole/"

func holeKey(e ExtentKey) []byte { return append(localKey(localHole), e.prefix()...) }

// Holes counts what the state says is here and is not: blocks set aside, and
// extents that lack blocks. Blocks whose bucket has been given up since do
// not count. A gateway with holes must not vote, and reads of them belong
// elsewhere; RepairFrom fills them. It costs a look at as many rows.
func (s *Store) Holes() (int, error) {
	blocks, extents, err := s.damaged()
	return len(blocks) + len(extents), err
}

// damaged lists the blocks set aside and the extents with missing blocks that
// the state still wants.
func (s *Store) damaged() (blocks []BlockKey, extents []ExtentKey, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	err = eachRow(s.db, localKey(localAside), func(key, _ []byte) error {
		if p, ok := parseBlockKey(key); ok && s.state.has(keyOf(p).Extent()) {
			blocks = append(blocks, keyOf(p))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = eachRow(s.db, localKey(localHole), func(key, _ []byte) error {
		if e, ok := parseExtentKey(key); ok && s.state.has(e) {
			extents = append(extents, e)
		}
		return nil
	})
	return blocks, extents, err
}

// weigh holds what an extent has against what its state says, at one moment.
// It reports whether the extent is whole; one that has been given up is.
func (s *Store) weigh(k ExtentKey) (bool, hole, error) {
	s.mu.RLock()
	e := s.state.extent(k)
	if e == nil {
		s.mu.RUnlock()
		return true, hole{}, nil
	}
	h := hole{Want: e.Bytes}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: k.prefix(), UpperBound: k.from(s.state.applied + 1)})
	s.mu.RUnlock()
	if err != nil {
		return false, h, shardlog.Errorf(shardlog.Internal, "weigh extent", "%w", err)
	}
	defer it.Close()
	h.Have, err = sumBytes(it)
	return h.Have == h.Want, h, err
}

// sumBytes adds up the sizes of what lies under an iterator, unread.
func sumBytes(it *pebble.Iterator) (total uint64, err error) {
	for ok := it.First(); ok; ok = it.Next() {
		value := it.LazyValue()
		total += uint64(value.Len())
	}
	return total, it.Error()
}

// noteHole keeps or forgets that an extent lacks blocks, whichever is true
// now, and answers whether it is whole.
func (s *Store) noteHole(k ExtentKey) (bool, hole, error) {
	whole, h, err := s.weigh(k)
	if err != nil && !pebble.IsCorruptionError(err) {
		return false, h, err
	}
	key := holeKey(k)
	_, missing := s.value(key)
	switch known := missing == nil; {
	case whole && known:
		return true, h, s.must(s.db.Delete(key, pebble.Sync))
	case !whole && !known:
		return false, h, s.must(s.db.Set(key, mustJSON(h), pebble.Sync))
	}
	return whole, h, nil
}

func (st *state) has(k ExtentKey) bool { return st.extent(k) != nil }

// extent finds an extent, nil when the state does not hold it. The caller
// holds mu.
func (st *state) extent(k ExtentKey) *extent {
	s := st.byID[k.Stream]
	if s == nil {
		return nil
	}
	for i := len(s.extents) - 1; i >= 0 && s.extents[i].Bucket >= k.Bucket; i-- {
		if s.extents[i].name() == k {
			return s.extents[i]
		}
	}
	return nil
}
