package kinesisapi

import (
	"encoding/binary"
	"slices"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// shardFilter says which shards ListShards shows.
type shardFilter struct {
	kind   filterKind
	at     int64 // milliseconds since 1970, of the kinds with a time
	behind bool  // only shards behind after
	after  uint32
}

type filterKind uint8

const (
	afterShard filterKind = iota
	atTrimHorizon
	fromTrimHorizon
	atLatest
	atTimestamp
	fromTimestamp
)

var filterNames = [...]string{"AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"}

// parseFilter reads ShardFilter and ExclusiveStartShardId. Without a filter
// every shard is shown that has not expired.
func parseFilter(in awsapi.Input) (shardFilter, error) {
	f := shardFilter{kind: fromTrimHorizon}
	start := in.Text("ExclusiveStartShardId")
	if given := in.Inner("ShardFilter"); given != nil {
		f.kind = filterKind(slices.Index(filterNames[:], given.Text("Type")))
		at, hasTime := given.Millis("Timestamp")
		f.at = at
		timed := f.kind == atTimestamp || f.kind == fromTimestamp
		switch {
		case timed && !hasTime:
			return f, awsapi.Fail(invalidArgument, "Timestamp must be provided for ShardFilter type %s.", given.Text("Type"))
		case f.kind == afterShard && !given.Has("ShardId"):
			return f, awsapi.Fail(invalidArgument, "ShardId must be provided for ShardFilter type AFTER_SHARD_ID.")
		case f.kind == afterShard && start != "":
			return f, awsapi.Fail(invalidArgument, "ExclusiveStartShardId and ShardFilter type AFTER_SHARD_ID cannot be provided together.")
		case f.kind == afterShard:
			start = given.Text("ShardId")
		}
	}
	if start != "" {
		number, ok := parseShard(start)
		if !ok {
			return f, awsapi.Fail(invalidArgument, "Invalid shard id %s.", start)
		}
		f.behind, f.after = true, number
	}
	return f, nil
}

// keeps reports whether the shard is shown.
func (f shardFilter) keeps(stream shardlog.Stream, s shardlog.Shard, now time.Time) bool {
	if f.behind && s.ID.Number <= f.after {
		return false
	}
	at := time.UnixMilli(f.at)
	horizon := now.Add(-stream.Retention)
	if horizon.Before(stream.Created) {
		horizon = stream.Created
	}
	switch f.kind {
	case atLatest:
		return !s.Closed
	case atTrimHorizon:
		return openAt(s, horizon)
	case atTimestamp:
		return openAt(s, at)
	case fromTimestamp:
		return !s.Closed || !s.Ended.Before(at)
	}
	return true
}

// openAt reports whether the shard took records at that time.
func openAt(s shardlog.Shard, at time.Time) bool {
	return int64(s.Created) <= at.Unix() && (!s.Closed || !s.Ended.Before(at))
}

const filterBytes = 4 + 1 + 8 + 1 + 4

// encode is the filter of a stream as a NextToken carries it.
func (f shardFilter) encode(stream shardlog.StreamID) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, filterBytes), uint32(stream))
	b = append(b, byte(f.kind))
	b = binary.BigEndian.AppendUint64(b, uint64(f.at))
	if f.behind {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return binary.BigEndian.AppendUint32(b, f.after)
}

func decodeFilter(b []byte) shardFilter {
	return shardFilter{kind: filterKind(b[4]), at: int64(binary.BigEndian.Uint64(b[5:])),
		behind: b[13] == 1, after: binary.BigEndian.Uint32(b[14:])}
}
