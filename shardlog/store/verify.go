package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// Report is what Verify found.
type Report struct {
	Blocks  uint64
	Records uint64
	Bytes   uint64 // of blocks, as stored
	Bad     []Aside
	Missing []shardlog.Gap // sequences that no readable block holds
}

// Verify walks every block, checks and decompresses it and sees that each
// shard's sequences go on without a hole. It tells progress the bytes done
// and the bytes there are. It only reads, and may run beside everything else.
func (s *Store) Verify(ctx context.Context, progress func(done, total uint64)) (Report, error) {
	var v verifying
	total := s.storedBlocks()
	v.s, v.next = s, map[shardlog.ShardID]shardlog.Seq{}
	streams := s.Streams() // before blocks are looked at: what comes meanwhile is not missed
	for lower := []byte{prefixBlock}; lower != nil; {
		var err error
		if lower, err = v.walk(ctx, lower, func() {
			if progress != nil && v.report.Blocks%64 == 0 {
				progress(v.report.Bytes, max(total, v.report.Bytes))
			}
		}); err != nil {
			return v.report, err
		}
	}
	v.ends(streams)
	if progress != nil {
		progress(v.report.Bytes, v.report.Bytes)
	}
	return v.report, nil
}

// walk checks blocks up to one that cannot be read, which ends Pebble's
// iterator; it answers the key to go on at, nil at the end.
func (v *verifying) walk(ctx context.Context, lower []byte, step func()) ([]byte, error) {
	it, err := v.s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Internal, "verify", "%w", err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, valid := parseBlockKey(it.Key())
		if !valid {
			v.bad(p, fmt.Errorf("key %x", it.Key()))
			continue
		}
		behind := append(bytes.Clone(it.Key()), 0)
		value, err := it.ValueAndErr()
		if err != nil {
			v.bad(p, err)
			return behind, nil
		}
		if err := v.block(p, value); err != nil {
			v.bad(p, err)
		}
		step()
	}
	if err := it.Error(); err != nil {
		v.bad(place{}, err)
	}
	return nil, nil
}

// storedBlocks is the bytes of all blocks, as the extents count them.
func (s *Store) storedBlocks() (total uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.state.byID {
		for _, e := range st.extents {
			total += e.Bytes
		}
	}
	return total
}

type verifying struct {
	s      *Store
	report Report
	next   map[shardlog.ShardID]shardlog.Seq
}

func (v *verifying) name(id shardlog.StreamID) shardlog.StreamName {
	st, _ := v.s.StreamByID(id)
	return st.Name
}

func (v *verifying) bad(p place, why error) {
	v.report.Bad = append(v.report.Bad, Aside{Stream: v.name(p.stream), Bucket: p.bucket, Index: p.index, Block: p.ord, Why: why.Error(), Key: keyOf(p)})
}

func (v *verifying) block(p place, sealed []byte) error {
	v.report.Blocks++
	v.report.Bytes += uint64(len(sealed))
	b, err := block.Open(sealed)
	if err != nil {
		return err
	}
	h := b.Header()
	if h.Stream != p.stream {
		return shardlog.Errorf(shardlog.Corrupt, "verify", "block of stream %d lies with stream %d", h.Stream, p.stream)
	}
	v.report.Records += uint64(h.Records)
	for _, r := range h.Runs {
		id := shardlog.ShardID{Stream: p.stream, Number: r.Shard}
		v.reach(id, r.First)
		v.next[id] = r.First + shardlog.Seq(r.Count)
	}
	return nil
}

// reach notes the hole between where the shard stands and first.
func (v *verifying) reach(id shardlog.ShardID, first shardlog.Seq) {
	want, seen := v.next[id]
	if !seen {
		sh, err := v.s.shard(id)
		if err != nil {
			return
		}
		want = sh.Kept
	}
	if first > want {
		v.report.Missing = append(v.report.Missing, shardlog.Gap{Stream: v.name(id.Stream), Shard: id, First: want, Last: first - 1,
			Records: uint64(first - want), Reason: shardlog.Quarantined})
	}
}

// ends notes the holes at the shards' ends, as those were when it began.
func (v *verifying) ends(streams []shardlog.Stream) {
	for _, st := range streams {
		for _, sh := range st.Shards {
			if _, seen := v.next[sh.ID]; seen || sh.Next > sh.Kept {
				v.reach(sh.ID, sh.Next)
			}
		}
	}
}
