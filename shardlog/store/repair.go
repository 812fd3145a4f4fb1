package store

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// Repair puts a good block in the place of one that was set aside or is
// missing, and forgets that it was; the block is on the disk when it returns.
// Kinds: Corrupt, it is not what its key says; NotFound, the state does not
// want that block (any more).
func (s *Store) Repair(k BlockKey, sealed []byte) error {
	if err := checkBlock(k, sealed); err != nil {
		return err
	}
	s.mu.RLock() // no Trim may come in between
	defer s.mu.RUnlock()
	if k.Index > s.state.applied || !s.state.has(k.Extent()) {
		return shardlog.Errorf(shardlog.NotFound, "repair", "block %s is not part of the state", k)
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.Set(k.place().key(), sealed, nil); err != nil {
		return err
	}
	if err := b.Delete(asideKey(k.place()), nil); err != nil {
		return err
	}
	return s.must(b.Commit(pebble.Sync))
}

// ErrRotten is in an error when a table of keys cannot be read: what is put
// into its place stays hidden behind it.
var ErrRotten = errors.New("a table of keys is damaged")

func asideKey(p place) []byte { return append(localKey(localAside), p.key()...) }

// RepairFrom asks a peer for what this store has lost (see Holes) and puts it
// back, at rate bytes a second (zero: unlimited). What the peer does not have
// either stays a hole, for another peer; Holes says whether any is left. It
// answers how many blocks it put back. Kinds: InUse, Unavailable, Corrupt;
// ErrRotten is in the error when no peer can help.
func (s *Store) RepairFrom(ctx context.Context, from Source, rate int) (int, error) {
	if !s.pulls.TryLock() {
		return 0, shardlog.Errorf(shardlog.InUse, "repair", "a pull or another repair runs")
	}
	defer s.pulls.Unlock()
	blocks, extents, err := s.damaged()
	if err != nil {
		return 0, err
	}
	r := repairing{s: s, from: from, pace: newPace(rate)}
	if err := r.blocks(ctx, blocks); err != nil {
		return r.mended, err
	}
	for _, e := range extents {
		missing, err := r.missing(ctx, e)
		if err == nil {
			err = r.blocks(ctx, missing)
		}
		if err == nil {
			_, _, err = s.noteHole(e)
		}
		if err != nil {
			return r.mended, err
		}
	}
	return r.mended, s.forgetAsides()
}

// repairing is one RepairFrom on its way.
type repairing struct {
	s      *Store
	from   Source
	pace   *pace
	mended int
}

// repairKeys is how many blocks one request asks for.
const repairKeys = 64

func (r *repairing) blocks(ctx context.Context, keys []BlockKey) error {
	for len(keys) > 0 {
		n := min(len(keys), repairKeys)
		err := fetchBlocks(ctx, r.from, r.pace, keys[:n], func(b Block, _ shardlog.Kind) error {
			if b.Bytes == nil {
				return nil
			}
			err := r.s.Repair(b.Key, b.Bytes)
			if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
				return nil // trimmed meanwhile
			}
			if err == nil {
				r.mended++
			}
			return err
		})
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// missing are the blocks of an extent that the peer has and this store has not.
func (r *repairing) missing(ctx context.Context, e ExtentKey) ([]BlockKey, error) {
	body, err := r.from.Keys(ctx, encodeExtents([]ExtentKey{e}))
	if err != nil {
		return nil, cutOff(err)
	}
	defer body.Close()
	in, err := newReceiver(r.pace.reader(ctx, body), carryKeys)
	if err != nil {
		return nil, err
	}
	h, err := r.s.holdings()
	if err != nil {
		return nil, errors.Join(ErrRotten, err)
	}
	defer h.close()
	var missing []BlockKey
	applied := r.s.Applied()
	for {
		kind, body, err := in.next()
		if err != nil {
			return nil, err
		}
		if kind == frameEnd {
			return missing, in.ended(body)
		}
		if kind != frameKeys {
			return nil, badStream("frame %d in a listing", kind)
		}
		err = in.keys(body, func(k BlockKey, size int) error {
			have, err := h.have(k, size)
			if err != nil {
				return errors.Join(ErrRotten, err)
			}
			if !have && k.Index <= applied {
				missing = append(missing, k)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

// forgetAsides forgets blocks set aside, and holes, whose bucket is gone.
func (s *Store) forgetAsides() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.db.NewBatch()
	defer b.Close()
	forget := func(prefix string, extentOf func([]byte) (ExtentKey, bool)) error {
		return eachRow(s.db, localKey(prefix), func(key, _ []byte) error {
			if e, ok := extentOf(key); ok && !s.state.has(e) {
				return b.Delete(append(localKey(prefix), key...), nil)
			}
			return nil
		})
	}
	if err := forget(localAside, func(key []byte) (ExtentKey, bool) {
		p, ok := parseBlockKey(key)
		return keyOf(p).Extent(), ok
	}); err != nil {
		return err
	}
	if err := forget(localHole, parseExtentKey); err != nil {
		return err
	}
	return s.must(b.Commit(pebble.NoSync))
}
