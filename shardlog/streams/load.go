package streams

import "headgate/shardlog"

// Load is what one shard has taken since this gateway leads, and where on the
// ring some of it lay: what those who split and merge shards look at.
type Load struct {
	Records, Bytes uint64
	Hashes         [sampled]shardlog.Hash // of the latest of every sampleEvery records, in no order
}

const (
	sampled     = 64
	sampleEvery = 16
)

func (l *Load) note(bytes int, hash shardlog.Hash) {
	if l.Records%sampleEvery == 0 {
		l.Hashes[l.Records/sampleEvery%sampled] = hash
	}
	l.Records++
	l.Bytes += uint64(bytes)
}

// Sampled are the hashes that were kept.
func (l *Load) Sampled() []shardlog.Hash {
	return l.Hashes[:min(sampled, (l.Records+sampleEvery-1)/sampleEvery)]
}

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
