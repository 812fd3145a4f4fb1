package streams

import (
	"time"
	"unicode/utf8"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/quota"
)

// route is how entries of one stream find their shards, and what those take.
type route struct {
	shards int // of the snapshot the ring was made of: splits and merges add some
	open   int
	ring   keyspace.Ring
	quotas map[uint32]*quota.Write
}

// routeOf is the route of a stream's snapshot. The caller holds mu.
func (l *Log) routeOf(s shardlog.Stream) *route {
	r := l.routes[s.ID]
	if r == nil {
		r = &route{quotas: map[uint32]*quota.Write{}}
		l.routes[s.ID] = r
	}
	open := 0
	for i := range s.Shards {
		if !s.Shards[i].Closed {
			open++
		}
	}
	if r.shards != len(s.Shards) || r.open != open {
		r.shards, r.open, r.ring = len(s.Shards), open, keyspace.NewRing(s.Shards)
		for i := range s.Shards {
			if s.Shards[i].Closed {
				delete(r.quotas, s.Shards[i].ID.Number)
			}
		}
	}
	return r
}

func (r *route) quota(id shardlog.ShardID, limits quota.Limits) *quota.Write {
	q := r.quotas[id.Number]
	if q == nil {
		q = &quota.Write{Shard: id, Limits: limits}
		r.quotas[id.Number] = q
	}
	return q
}

// charge finds each entry's shard and takes it from the shard's second. The
// first entry of a key that is short shortens the rest of that key. The
// caller holds mu.
func (l *Log) charge(p *put, s shardlog.Stream, now time.Time) {
	r := l.routeOf(s)
	var short map[string]error
	for i := range p.entries {
		e, res := &p.entries[i], &p.results[i]
		if res.Err != nil {
			continue
		}
		id, ok := r.ring.Find(p.hashes[i])
		if !ok {
			res.Err = &shardlog.Error{Kind: shardlog.Unavailable, Op: "put", Stream: s.Name}
			continue
		}
		res.Shard = id
		if err := short[e.Key]; err != nil {
			res.Err = err
			continue
		}
		if err := r.quota(id, l.c.Limits).Take(now, 1, e.Size()); err != nil {
			if short == nil {
				short = map[string]error{}
			}
			short[e.Key], res.Err = err, err
		}
	}
}

// chargeAll charges a Put that is all or nothing: when one entry is short,
// all are, and nothing is charged.
func (l *Log) chargeAll(p *put, s shardlog.Stream, now time.Time) error {
	r := l.routeOf(s)
	before := make(map[uint32]quota.Write, len(r.quotas))
	for n, q := range r.quotas {
		before[n] = *q
	}
	l.charge(p, s, now)
	for i := range p.results {
		err := p.results[i].Err
		if err == nil {
			continue
		}
		for n, q := range before {
			*r.quotas[n] = q
		}
		for j := range p.results {
			p.results[j].Err = err
		}
		return err
	}
	return nil
}

func check(e *shardlog.Entry) error {
	if n := utf8.RuneCountInString(e.Key); n == 0 || n > shardlog.MaxPartitionKey {
		return shardlog.Errorf(shardlog.Invalid, "put", "partition key of %d characters, 1 to %d are allowed", n, shardlog.MaxPartitionKey)
	}
	if e.Size() > shardlog.MaxRecordBytes {
		return shardlog.Errorf(shardlog.Invalid, "put", "record of %d bytes, %d are allowed", e.Size(), shardlog.MaxRecordBytes)
	}
	return nil
}
