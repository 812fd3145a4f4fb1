package shardlogtest

import (
	"context"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/quota"
)

// CreateStream is part of the contract Control.
func (m *Memory) CreateStream(ctx context.Context, spec shardlog.StreamSpec) error {
	if err := m.begin(ctx, "create stream"); err != nil {
		return err
	}
	spec, err := complete(spec)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.streams[spec.Name]; ok {
		return &shardlog.Error{Kind: shardlog.InUse, Op: "create stream", Stream: spec.Name}
	}
	m.index++
	m.lastID++
	now := m.tick()
	s := &stream{Stream: shardlog.Stream{
		ID: m.lastID, Name: spec.Name, Class: spec.Class, Created: now.Truncate(time.Second), Retention: spec.Retention, RecordKiB: spec.RecordKiB,
	}}
	for _, r := range keyspace.Even(spec.Shards) {
		m.addShard(s, r, uint64(now.Unix()))
	}
	s.reroute()
	m.streams[spec.Name] = s
	return nil
}

// complete fills a spec's zeros and checks it.
func complete(spec shardlog.StreamSpec) (shardlog.StreamSpec, error) {
	if err := spec.Name.Check(); err != nil {
		return spec, err
	}
	if spec.Shards == 0 {
		spec.Shards = shardlog.DefaultShards
	}
	if spec.Retention == 0 {
		spec.Retention = shardlog.DefaultRetention
	}
	if spec.Class == 0 {
		spec.Class = shardlog.Telemetry
	}
	if spec.Shards < 0 || spec.Class > shardlog.Own {
		return spec, shardlog.Errorf(shardlog.Invalid, "create stream", "%d shards of class %d", spec.Shards, spec.Class)
	}
	if spec.Shards > shardlog.MaxShardsByStream {
		return spec, shardlog.Errorf(shardlog.LimitExceeded, "create stream", "%d shards", spec.Shards)
	}
	if spec.RecordKiB != 0 {
		if err := shardlog.CheckRecordKiB(spec.RecordKiB); err != nil {
			return spec, err
		}
	}
	return spec, checkRetention("create stream", spec.Retention)
}

func checkRetention(op string, d time.Duration) error {
	if d < shardlog.DefaultRetention || d > shardlog.MaxRetention {
		return shardlog.Errorf(shardlog.Invalid, op, "retention %v, %v to %v are allowed", d, shardlog.DefaultRetention, shardlog.MaxRetention)
	}
	return nil
}

func (m *Memory) addShard(s *stream, r keyspace.Range, created uint64) *shard {
	id := shardlog.ShardID{Stream: s.ID, Number: uint32(len(s.shards))}
	limits := quota.Limits{Off: true}
	if m.Quota != nil {
		limits = *m.Quota
	}
	sh := &shard{
		Shard:   shardlog.Shard{ID: id, Created: created, From: r.From, To: r.To, Next: 1, Oldest: 1, Kept: 1},
		write:   quota.Write{Shard: id, Limits: limits},
		changed: make(chan struct{}),
	}
	s.shards = append(s.shards, sh)
	return sh
}

// reroute makes the ring of the shards that are open now.
func (s *stream) reroute() { s.ring = keyspace.NewRing(s.snapshot().Shards) }

// DeleteStream is part of the contract Control.
func (m *Memory) DeleteStream(ctx context.Context, name shardlog.StreamName) error {
	if err := m.begin(ctx, "delete stream"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.streams[name]
	if !ok {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "delete stream", Stream: name}
	}
	m.index++
	delete(m.streams, name)
	for _, sh := range s.shards {
		sh.wake()
	}
	return nil
}

// SetRetention is part of the contract Control.
func (m *Memory) SetRetention(ctx context.Context, name shardlog.StreamName, retention time.Duration) error {
	if err := m.begin(ctx, "set retention"); err != nil {
		return err
	}
	if err := checkRetention("set retention", retention); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.streams[name]
	if !ok {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "set retention", Stream: name}
	}
	m.index++
	m.expire(s)
	s.Retention = retention
	return nil
}

// SetRecordSize is part of the contract Control.
func (m *Memory) SetRecordSize(ctx context.Context, name shardlog.StreamName, kib int) error {
	if err := m.begin(ctx, "set record size"); err != nil {
		return err
	}
	if err := shardlog.CheckRecordKiB(kib); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.streams[name]
	if !ok {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "set record size", Stream: name}
	}
	m.index++
	s.RecordKiB = kib
	return nil
}
