package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"headgate/shardlog"
)

// GapStream is where gaps are copied to, for those who read streams only.
const GapStream shardlog.StreamName = "_gaps"

const (
	gapSpace     shardlog.Space = "gap.copied"
	gapRetention                = 30 * 24 * time.Hour
	gapsAtOnce                  = 100
)

// gapRecord is a gap as the stream _gaps tells it.
type gapRecord struct {
	Stream  shardlog.StreamName `json:"stream"`
	Shard   string              `json:"shardId"`
	First   shardlog.Seq        `json:"first"`
	Last    shardlog.Seq        `json:"last"`
	Records uint64              `json:"records"`
	Bytes   uint64              `json:"bytes"`
	Reason  shardlog.Reason     `json:"reason"`
	At      time.Time           `json:"at"`
}

// copyGaps puts every gap that is not in the stream _gaps yet there, once: the
// note that it is lies in the same command.
func (l *Log) copyGaps(ctx context.Context) error {
	if l.c.Gaps == nil {
		return nil
	}
	var entries []shardlog.Entry
	var notes []shardlog.Mutation
	seen := map[string]bool{}
	for g, err := range l.c.Gaps.Gaps(ctx) {
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%08x/%08x/%016x-%016x", uint32(g.Shard.Stream), g.Shard.Number, uint64(g.First), uint64(g.Last))
		if g.First == 0 { // records that never had a place
			key += fmt.Sprintf("@%d", g.At.UnixMilli())
		}
		if _, _, err := l.Get(ctx, gapSpace, key); err == nil || seen[key] {
			continue
		} else if shardlog.KindOf(err) != shardlog.NotFound {
			return err
		}
		seen[key] = true
		text, err := json.Marshal(gapRecord{g.Stream, g.Shard.String(), g.First, g.Last, g.Records, g.Bytes, g.Reason, g.At})
		if err != nil {
			return fmt.Errorf("copy gap: %w", err)
		}
		entries = append(entries, shardlog.Entry{Key: string(g.Stream), Data: text})
		notes = append(notes, shardlog.Mutation{Space: gapSpace, Key: key, Value: []byte{1}, Expect: shardlog.Absent()})
		if len(entries) < gapsAtOnce {
			continue
		}
		if err := l.putGaps(ctx, entries, notes); err != nil {
			return err
		}
		entries, notes = nil, nil
	}
	if len(entries) == 0 {
		return nil
	}
	return l.putGaps(ctx, entries, notes)
}

func (l *Log) putGaps(ctx context.Context, entries []shardlog.Entry, notes []shardlog.Mutation) error {
	if _, exists := l.c.Catalog.Stream(GapStream); !exists {
		err := l.CreateStream(ctx, shardlog.StreamSpec{Name: GapStream, Shards: 1, Retention: gapRetention, Class: shardlog.Own})
		if err != nil && shardlog.KindOf(err) != shardlog.InUse {
			return err
		}
	}
	results, err := l.Put(ctx, GapStream, entries, notes...)
	if err != nil {
		return err
	}
	return results[0].Err
}
