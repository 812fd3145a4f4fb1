package store

import (
	"encoding/binary"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Offer is one moment of a store, held still for a peer that is behind: the
// state as it was when Applied had been applied, and which blocks belong to
// it. It holds up the freeing of disk space until it is closed, so it lives
// as long as a listing takes; blocks are asked for afterwards, of the store.
type Offer struct {
	Applied  uint64
	snapshot *pebble.Snapshot
}

// Offer takes the present moment. Close it.
func (s *Store) Offer() (*Offer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flushState(nil); err != nil {
		return nil, err
	}
	return &Offer{Applied: s.state.applied, snapshot: s.db.NewSnapshot()}, nil
}

// Close lets the moment go.
func (o *Offer) Close() error { return o.snapshot.Close() }

// Blocks calls do for every block, with its size, that lies in the bucket or
// a later one and whose log entry is behind above, in the order of their
// keys. Who has applied everything up to above has its tail in that bucket:
// buckets do not go back.
func (o *Offer) Blocks(above uint64, bucket uint32, do func(BlockKey, int) error) error {
	it, err := o.snapshot.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlock}, UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return shardlog.Errorf(shardlog.Internal, "list blocks", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; {
		p, valid := parseBlockKey(it.Key())
		if valid && p.bucket < bucket {
			ok = it.SeekGE(extentKey(nil, p.class, bucket, 0))
			continue
		}
		if valid && p.index > above && p.index <= o.Applied {
			value := it.LazyValue()
			if err := do(keyOf(p), value.Len()); err != nil {
				return err
			}
		}
		ok = it.Next()
	}
	if err := it.Error(); err != nil {
		return shardlog.Errorf(shardlog.Corrupt, "list blocks", "%w", err)
	}
	return nil
}

// Rows calls do for every row of the state, in order; key is without its prefix.
func (o *Offer) Rows(do func(key, value []byte) error) error {
	return eachRow(o.snapshot, []byte{prefixState}, do)
}

// WriteOffer writes the present moment for a peer that has applied everything
// up to above and whose tail is in the bucket: which blocks it may lack, then
// the whole state.
func (s *Store) WriteOffer(w io.Writer, above uint64, bucket uint32) error {
	o, err := s.Offer()
	if err != nil {
		return err
	}
	defer o.Close()
	c := newCarrier(w, carryOffer)
	if err := c.frame(frameHeader, binary.AppendUvarint(nil, o.Applied)); err != nil {
		return err
	}
	if o.Applied > above {
		if err := o.Blocks(above, bucket, c.key); err != nil {
			return err
		}
	}
	if err := c.flush(frameKeys, 1); err != nil {
		return err
	}
	if err := c.end(frameListed); err != nil {
		return err
	}
	if o.Applied > above {
		if err := o.Rows(c.row); err != nil {
			return err
		}
	}
	if err := c.flush(frameRows, 1); err != nil {
		return err
	}
	return c.end(frameEnd)
}

// Block is one block, sealed, verified. Its bytes are the caller's. Kinds:
// NotFound, also of a block that has not been applied; Corrupt.
func (s *Store) Block(k BlockKey) ([]byte, error) {
	if k.Index > s.Applied() {
		return nil, shardlog.Errorf(shardlog.NotFound, "read block", "%s is not applied", k)
	}
	sealed, err := s.value(k.place().key())
	if err != nil {
		return nil, err
	}
	return sealed, checkBlock(k, sealed)
}

// checkBlock holds a block against its name. Kind Corrupt.
func checkBlock(k BlockKey, sealed []byte) error {
	h, err := block.Inspect(sealed)
	if err == nil && h.Stream != k.Stream {
		err = shardlog.Errorf(shardlog.Corrupt, "check block", "block of stream %d is named as one of stream %d", h.Stream, k.Stream)
	}
	return err
}

// WriteBlocks writes the blocks whose keys a peer asks for. Those that it
// cannot give it names as given up, or as bad; the latter it sets aside.
func (s *Store) WriteBlocks(w io.Writer, request []byte) error {
	keys, err := decodeKeys(request)
	if err != nil {
		return err
	}
	c := newCarrier(w, carryBlocks)
	for _, k := range keys {
		c.count++
		var n numbers
		n.key(k)
		sealed, err := s.Block(k)
		if err == nil {
			err = c.frame(frameBlock, n.b, sealed)
		} else if kind := shardlog.KindOf(err); kind == shardlog.NotFound || kind == shardlog.Corrupt {
			if err := s.suspect(k, err); err != nil {
				return err
			}
			n.put(uint64(kind))
			err = c.frame(frameGone, n.b)
		}
		if err != nil {
			return err
		}
	}
	return c.end(frameEnd)
}

// suspect sets a bad block aside.
func (s *Store) suspect(k BlockKey, why error) error {
	if shardlog.KindOf(why) == shardlog.NotFound {
		return nil
	}
	st, _ := s.StreamByID(k.Stream)
	return s.setAside(k.place(), st.Name, why)
}

// WriteKeys lists the blocks of the extents that a peer names, as far as they
// have been applied here.
func (s *Store) WriteKeys(w io.Writer, request []byte) error {
	extents, err := decodeExtents(request)
	if err != nil {
		return err
	}
	c := newCarrier(w, carryKeys)
	for _, e := range extents {
		if err := s.Keys(e, c.key); err != nil {
			return err
		}
	}
	if err := c.flush(frameKeys, 1); err != nil {
		return err
	}
	return c.end(frameEnd)
}

// Keys calls do for every block of an extent that has been applied, with its size.
func (s *Store) Keys(e ExtentKey, do func(BlockKey, int) error) error {
	s.mu.RLock()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: e.prefix(), UpperBound: e.from(s.state.applied + 1)})
	s.mu.RUnlock()
	if err != nil {
		return shardlog.Errorf(shardlog.Internal, "list blocks", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		p, valid := parseBlockKey(it.Key())
		if !valid {
			continue
		}
		value := it.LazyValue()
		if err := do(keyOf(p), value.Len()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return shardlog.Errorf(shardlog.Corrupt, "list blocks", "%w", err)
	}
	return nil
}
