package keyspace

import (
	"slices"
	"sort"

	"headgate/shardlog"
)

// Ring finds the open shard of a hash. It is immutable and safe for
// concurrent use; the zero Ring has no shards.
type Ring struct{ arcs []arc }

type arc struct {
	Range
	id shardlog.ShardID
}

// NewRing is the ring of those of the shards that are open. Their ranges must
// not overlap, as those of one stream never do.
func NewRing(shards []shardlog.Shard) Ring {
	arcs := make([]arc, 0, len(shards))
	for i := range shards {
		if s := &shards[i]; !s.Closed {
			arcs = append(arcs, arc{Range{s.From, s.To}, s.ID})
		}
	}
	slices.SortFunc(arcs, func(a, b arc) int {
		if a.From.Less(b.From) {
			return -1
		}
		return 1
	})
	return Ring{arcs}
}

// Find is the open shard whose range the hash lies in, false when none has it.
func (r Ring) Find(h shardlog.Hash) (shardlog.ShardID, bool) {
	after := sort.Search(len(r.arcs), func(i int) bool { return h.Less(r.arcs[i].From) })
	if after == 0 || !r.arcs[after-1].Contains(h) {
		return shardlog.ShardID{}, false
	}
	return r.arcs[after-1].id, true
}

// Len is the number of open shards.
func (r Ring) Len() int { return len(r.arcs) }
