// Package keyspace is the geometry of the 128-bit hash ring: dividing it
// among shards, finding the shard of a hash, splitting and merging. It knows
// no streams, no time and no sequence numbers.
package keyspace

import (
	"math/bits"

	"headgate/shardlog"
)

// Range is a part of the ring, both ends inclusive.
type Range struct{ From, To shardlog.Hash }

// Contains reports whether the hash lies in the range.
func (r Range) Contains(h shardlog.Hash) bool { return !h.Less(r.From) && !r.To.Less(h) }

// Even divides the whole ring into n parts as Kinesis does: each begins at a
// multiple of floor(2^128/n), and the last takes the rest. Fewer than one
// part is none.
func Even(n int) []Range {
	if n < 1 {
		return nil
	}
	ranges := make([]Range, n)
	for i := range ranges {
		ranges[i].From = part(uint64(i), uint64(n))
		ranges[i].To = shardlog.MaxHash()
		if i > 0 {
			ranges[i-1].To = before(ranges[i].From)
		}
	}
	return ranges
}

// part is floor(2^128/n)·i, for i below n.
func part(i, n uint64) shardlog.Hash {
	if i == 0 {
		return shardlog.Hash{}
	}
	hi, rest := bits.Div64(1, 0, n)
	lo, _ := bits.Div64(rest, 0, n)
	carry, low := bits.Mul64(lo, i)
	return shardlog.Hash{Hi: hi*i + carry, Lo: low}
}

// before is the place in front of h, which is not zero.
func before(h shardlog.Hash) shardlog.Hash {
	if h.Lo == 0 {
		h.Hi--
	}
	h.Lo--
	return h
}
