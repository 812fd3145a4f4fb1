package streams

import (
	"math/rand/v2"

	"headgate/shardlog"
	"headgate/shardlog/capacity"
)

// sampled is how many records of a shard are remembered between two questions
// for its load.
const sampled = 16

// load is what a shard took since somebody asked.
type load struct {
	records, bytes int
	sample         [sampled]capacity.Place
}

// note counts a record that was let in. Every record of the while is as likely
// as any other to be in the sample. A nil load counts nothing.
func (d *load) note(hash shardlog.Hash, bytes int) {
	if d == nil {
		return
	}
	at := d.records
	if at >= sampled {
		at = rand.IntN(d.records + 1)
	}
	if at < sampled {
		d.sample[at] = capacity.Place{Hash: hash, Bytes: bytes}
	}
	d.records++
	d.bytes += bytes
}

// Loads answers what the open shards of a stream took while this gateway led,
// since the last call; the first one begins the counting. What was drained from
// a spool is not counted, as it is not charged.
func (l *Log) Loads(stream shardlog.Stream) []capacity.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.routeOf(stream)
	r.watch = true
	all := make([]capacity.Load, 0, len(r.lanes))
	for number, w := range r.lanes {
		if d := w.load; d != nil && d.records > 0 {
			all = append(all, capacity.Load{Shard: number, Records: d.records, Bytes: d.bytes,
				Sample: append([]capacity.Place(nil), d.sample[:min(d.records, sampled)]...)})
		}
		w.load = &load{}
	}
	return all
}
