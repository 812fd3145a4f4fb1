package streams

import (
	"slices"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/quota"
)

// route is how entries of one stream find their shards, and what those take.
type route struct {
	newest uint32 // number of the last shard when the ring was made: splits and merges add some
	ring   keyspace.Ring
	lanes  map[uint32]*lane
	watch  bool // its loads are asked for
}

// lane is one shard on the way in.
type lane struct {
	quota          quota.Write
	epoch          uint64 // of the pool, when the counts were begun
	records, bytes int    // that wait in the pool, about
	load           *load  // nil: nobody asks
}

// routeOf is the route of a stream's snapshot. The caller holds mu.
func (l *Log) routeOf(s shardlog.Stream) *route {
	r := l.routes[s.ID]
	newest := uint32(0)
	if n := len(s.Shards); n > 0 {
		newest = s.Shards[n-1].ID.Number
	}
	if r != nil && r.newest == newest {
		return r
	}
	if r == nil {
		r = &route{lanes: map[uint32]*lane{}}
		l.routes[s.ID] = r
	}
	r.newest, r.ring = newest, keyspace.NewRing(s.Shards)
	for i := range s.Shards {
		if s.Shards[i].Closed {
			delete(r.lanes, s.Shards[i].ID.Number)
		}
	}
	return r
}

// dropRoutes forgets the streams that are gone.
func (l *Log) dropRoutes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.routes {
		if _, ok := l.c.Catalog.StreamByID(id); !ok {
			delete(l.routes, id)
		}
	}
}

func (r *route) lane(id shardlog.ShardID, limits quota.Limits, largest int) *lane {
	w := r.lanes[id.Number]
	if w == nil {
		w = &lane{quota: quota.Write{Shard: id, Limits: limits}}
		if r.watch {
			w.load = &load{}
		}
		r.lanes[id.Number] = w
	}
	w.quota.Largest = largest
	return w
}

// note counts an entry into the lane's run; it answers whether that is full.
func (w *lane) note(epoch uint64, bytes int) bool {
	if w.epoch != epoch {
		w.epoch, w.records, w.bytes = epoch, 0, 0
	}
	w.records++
	w.bytes += bytes
	return w.records >= runRecords || w.bytes >= runBytes
}

// charge finds each entry's shard and takes it from the shard's second. The
// first entry of a key that is short shortens the rest of that key. The
// caller holds mu.
func (l *Log) charge(p *put, s shardlog.Stream) {
	r := l.routeOf(s)
	var short map[string]error
	for i := p.next; i < len(p.entries); i++ {
		e, res := &p.entries[i], &p.results[i]
		if res.Err != nil {
			continue
		}
		id, ok := r.ring.Find(p.hashes[i])
		if !ok {
			res.Err = errNoShard(s.Name)
			continue
		}
		res.Shard = id
		if err := short[e.Key]; err != nil {
			res.Err = err
			continue
		}
		w := r.lane(id, l.c.Limits, s.LargestRecord())
		if p.drained {
			l.pool.full = w.note(l.pool.epoch, cost(e)) || l.pool.full
			continue
		}
		if err := w.quota.Take(p.joined, 1, e.Size()); err != nil {
			if short == nil {
				short = map[string]error{}
			}
			short[e.Key], res.Err = err, err
			continue
		}
		w.load.note(p.hashes[i], e.Size())
		l.pool.full = w.note(l.pool.epoch, cost(e)) || l.pool.full
	}
}

func errNoShard(name shardlog.StreamName) error {
	return shardlog.Errorf(shardlog.Unavailable, "put", "no open shard of %s has the hash", name)
}

// chargeWhole charges a Put that is all or nothing: when one shard is short,
// all its entries are throttled and nothing is charged. A Put that is larger
// than a second goes through as debt. The caller holds mu.
func (l *Log) chargeWhole(p *put, s shardlog.Stream) {
	type sum struct {
		lane           *lane
		before         quota.Write
		records, bytes int
	}
	r := l.routeOf(s)
	var sums []sum
	place := map[*lane]int{}
	refuse := func(err error) {
		for i := range p.results {
			p.results[i].Err = err
		}
	}
	for i := range p.entries {
		id, ok := r.ring.Find(p.hashes[i])
		if !ok {
			refuse(errNoShard(s.Name))
			return
		}
		p.results[i].Shard = id
		w := r.lane(id, l.c.Limits, s.LargestRecord())
		n, seen := place[w]
		if !seen {
			n = len(sums)
			place[w], sums = n, append(sums, sum{lane: w, before: w.quota})
		}
		sums[n].records++
		sums[n].bytes += p.entries[i].Size()
	}
	var wait time.Duration
	var err error
	for _, m := range sums {
		if p.drained {
			break
		}
		if e := m.lane.quota.Take(p.joined, m.records, m.bytes); e != nil && shardlog.RetryAfter(e) >= wait {
			err, wait = e, shardlog.RetryAfter(e)
		}
	}
	if err != nil {
		for _, m := range sums {
			m.lane.quota = m.before
		}
		refuse(err)
		return
	}
	for i := range p.entries {
		w := r.lanes[p.results[i].Shard.Number]
		if !p.drained {
			w.load.note(p.hashes[i], p.entries[i].Size())
		}
		l.pool.full = w.note(l.pool.epoch, cost(&p.entries[i])) || l.pool.full
	}
}

// shardOf finds a shard of a snapshot by number.
func shardOf(s *shardlog.Stream, number uint32) (*shardlog.Shard, bool) {
	i, ok := slices.BinarySearchFunc(s.Shards, number, func(a shardlog.Shard, n uint32) int {
		return int(int64(a.ID.Number) - int64(n))
	})
	if !ok {
		return nil, false
	}
	return &s.Shards[i], true
}
