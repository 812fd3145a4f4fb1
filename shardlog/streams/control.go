package streams

import (
	"context"
	"time"

	"headgate/shardlog"
)

// Control commands are proposed beside the pool and not between its cycles:
// the log orders them, a cycle under way names the shards it writes to, and is
// built anew when those moved. So they wait for no pace, and work while the
// pool cannot write.

// CreateStream makes a stream; see shardlog.Control.
func (l *Log) CreateStream(ctx context.Context, spec shardlog.StreamSpec) error {
	if err := complete(&spec); err != nil {
		return err
	}
	if _, exists := l.c.Catalog.Stream(spec.Name); exists {
		return &shardlog.Error{Kind: shardlog.InUse, Op: "create stream", Stream: spec.Name}
	}
	return l.control(ctx, shardlog.CreateStream{At: l.clock.Stamp().At, Spec: spec})
}

// complete checks a spec and puts the defaults in.
func complete(spec *shardlog.StreamSpec) error {
	if err := spec.Name.Check(); err != nil {
		return err
	}
	if spec.Shards == 0 {
		spec.Shards = shardlog.DefaultShards
	}
	if spec.Shards < 0 || spec.Shards > shardlog.MaxShardsByStream {
		return shardlog.Errorf(shardlog.Invalid, "create stream", "%d shards, 1 to %d are allowed", spec.Shards, shardlog.MaxShardsByStream)
	}
	if spec.Retention == 0 {
		spec.Retention = shardlog.DefaultRetention
	}
	if spec.Class == 0 {
		spec.Class = shardlog.Telemetry
	}
	if spec.Class > shardlog.Own {
		return shardlog.Errorf(shardlog.Invalid, "create stream", "class %d", spec.Class)
	}
	if spec.RecordKiB != 0 {
		if err := shardlog.CheckRecordKiB(spec.RecordKiB); err != nil {
			return err
		}
	}
	return checkRetention(spec.Retention)
}

func checkRetention(d time.Duration) error {
	if d < shardlog.DefaultRetention || d > shardlog.MaxRetention {
		return shardlog.Errorf(shardlog.Invalid, "set retention", "%v, %v to %v are allowed", d, shardlog.DefaultRetention, shardlog.MaxRetention)
	}
	return nil
}

// DeleteStream deletes a stream and its records; see shardlog.Control.
func (l *Log) DeleteStream(ctx context.Context, name shardlog.StreamName) error {
	s, ok := l.c.Catalog.Stream(name)
	if !ok {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "delete stream", Stream: name}
	}
	if err := l.control(ctx, shardlog.DeleteStream{At: l.clock.Stamp().At, Name: name}); err != nil {
		return err
	}
	l.mu.Lock()
	delete(l.routes, s.ID)
	l.mu.Unlock()
	return nil
}

// SetRetention changes how long records stay readable; see shardlog.Control.
func (l *Log) SetRetention(ctx context.Context, name shardlog.StreamName, retention time.Duration) error {
	if err := checkRetention(retention); err != nil {
		return err
	}
	if err := l.control(ctx, shardlog.SetRetention{At: l.clock.Stamp().At, Name: name, Retention: retention}); err != nil {
		return err
	}
	wake(l.trim)
	return nil
}

// SetRecordSize changes how large a record may be; see shardlog.Control.
func (l *Log) SetRecordSize(ctx context.Context, name shardlog.StreamName, kib int) error {
	if err := shardlog.CheckRecordKiB(kib); err != nil {
		return err
	}
	return l.control(ctx, shardlog.SetRecordSize{At: l.clock.Stamp().At, Name: name, KiB: kib})
}

// SplitShard opens two shards in the place of one; see shardlog.Control.
func (l *Log) SplitShard(ctx context.Context, shard shardlog.ShardID, start shardlog.Hash) error {
	return l.control(ctx, shardlog.SplitShard{At: l.clock.Stamp().At, Shard: shard, Start: start})
}

// MergeShards opens one shard in the place of two; see shardlog.Control.
func (l *Log) MergeShards(ctx context.Context, shard, adjacent shardlog.ShardID) error {
	return l.control(ctx, shardlog.MergeShards{At: l.clock.Stamp().At, Shard: shard, Adjacent: adjacent})
}

func (l *Log) control(ctx context.Context, c shardlog.Command) error {
	out, err := l.c.Proposer.Propose(ctx, c)
	if err != nil {
		return err
	}
	return out.Err
}
