package store

import (
	"bytes"
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// fromDisk reads extent by extent, from the milestone before the wanted record.
func (r *reading) fromDisk() error {
	select {
	case r.s.cold <- struct{}{}:
		defer func() { <-r.s.cold }()
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	for _, e := range r.view.extents {
		if e.reachOf(r.s, r.view.id.Number) <= r.seq {
			continue
		}
		start, err := r.s.milestone(r.view, e, func(k skip) bool { return k.of(r.view.id.Number) <= r.seq })
		if err != nil {
			return err
		}
		err = r.s.eachBlock(r.view, e, start, func(p place, h block.Header, load func() ([]byte, error)) error {
			run, ok := h.Find(r.view.id.Number)
			if !ok {
				return nil
			}
			return r.takeBlock(p, h.At, h.Runs[run], load)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reachOf is end under the lock: the newest extent still grows.
func (e *extent) reachOf(s *Store, shard uint32) shardlog.Seq {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return e.end(shard)
}

// milestone is the index of the last skip of the extent for which fit holds,
// the extent's first when none does. Skips are in order, fit must be too.
func (s *Store) milestone(v view, e *extent, fit func(skip) bool) (uint64, error) {
	best := e.firstIndex
	prefix := stateKey(stateSkip, uint32(e.Stream), e.Bucket)
	err := eachRow(s.db, prefix, func(key, value []byte) error {
		k, err := parseSkip(e.Bucket, indexOf(key), value)
		if err != nil {
			return err
		}
		if !fit(k) {
			return errStop
		}
		best = k.index
		return nil
	})
	if err != nil && !isStop(err) {
		return 0, shardlog.Errorf(shardlog.Internal, "find record", "%w", err)
	}
	for _, k := range v.skips {
		if k.bucket == e.Bucket && fit(k) {
			best = max(best, k.index)
		}
	}
	return best, nil
}

// eachBlock walks the blocks of an extent from the index on, up to what the
// view has seen applied. What cannot be read is set aside and passed over.
func (s *Store) eachBlock(v view, e *extent, from uint64, do func(place, block.Header, func() ([]byte, error)) error) error {
	var err error
	for lower := (place{e.Class, e.Bucket, e.Stream, from, 0}).key(); lower != nil && err == nil; {
		lower, err = s.walkBlocks(v, e, lower, do)
	}
	return err
}

// walkBlocks is eachBlock up to a block that cannot be read, which ends
// Pebble's iterator; it answers the key to go on at, nil at the end.
func (s *Store) walkBlocks(v view, e *extent, lower []byte, do func(place, block.Header, func() ([]byte, error)) error) ([]byte, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: lower,
		UpperBound: place{e.Class, e.Bucket, e.Stream, v.applied + 1, 0}.key(),
	})
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Internal, "read blocks", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		p, valid := parseBlockKey(it.Key())
		if !valid {
			continue
		}
		behind := append(bytes.Clone(it.Key()), 0)
		value, err := it.ValueAndErr()
		var h block.Header
		if err == nil {
			h, err = block.Peek(value)
		}
		if err != nil {
			return behind, s.setAside(p, v.stream, err)
		}
		if err := do(p, h, func() ([]byte, error) { return append([]byte(nil), value...), nil }); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		first, _ := parseBlockKey(lower)
		return nil, s.setAside(first, v.stream, err)
	}
	return nil, nil
}

// Seek finds the first record of a shard that arrived at or after the time,
// the tip when there is none.
func (s *Store) Seek(ctx context.Context, id shardlog.ShardID, at time.Time) (shardlog.Cursor, error) {
	v, err := s.view(id)
	if err != nil {
		return shardlog.Cursor{}, err
	}
	found := v.shard.Next
	for _, e := range v.extents {
		if e.newestOf(s).Before(at) {
			continue
		}
		start, err := s.milestone(v, e, func(k skip) bool { return k.at.Before(at) })
		if err != nil {
			return shardlog.Cursor{}, err
		}
		err = s.eachBlock(v, e, start, func(_ place, h block.Header, _ func() ([]byte, error)) error {
			run, ok := h.Find(id.Number)
			if !ok || h.At.Before(at) {
				return ctx.Err()
			}
			found = h.Runs[run].First
			return errStop
		})
		if isStop(err) {
			break
		}
		if err != nil {
			return shardlog.Cursor{}, err
		}
	}
	return shardlog.Cursor{Next: max(found, v.shard.Oldest)}, nil
}

func (e *extent) newestOf(s *Store) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return e.Newest
}
