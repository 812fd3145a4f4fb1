package streams

import (
	"math/rand/v2"

	"headgate/shardlog"
)

// Load is what one shard has taken from writers since this gateway leads, and
// where on the ring some of it lay: what those who split and merge shards look
// at. What a spool brings later is not in it.
type Load struct {
	Records, Bytes uint64
	hashes         [sampled]shardlog.Hash // of some of the latest records, in no order
	kept           uint64
}

// One of sampleEvery records is kept, by chance: keys that take turns would
// otherwise look like one.
const (
	sampled     = 64
	sampleEvery = 16
)

func (l *Load) note(bytes int, hash shardlog.Hash) {
	l.Records++
	l.Bytes += uint64(bytes)
	if l.kept == 0 || rand.Uint32N(sampleEvery) == 0 {
		l.hashes[l.kept%sampled] = hash
		l.kept++
	}
}

// Sampled are the hashes that were kept.
func (l *Load) Sampled() []shardlog.Hash { return l.hashes[:min(sampled, l.kept)] }

// Loads are those of the shards that were written to. They mean something
// while this gateway leads.
func (l *Log) Loads() map[shardlog.ShardID]Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[shardlog.ShardID]Load{}
	for stream, r := range l.routes {
		for number, w := range r.lanes {
			all[shardlog.ShardID{Stream: stream, Number: number}] = w.load
		}
	}
	return all
}
