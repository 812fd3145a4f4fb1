package kinesisapi

import (
	"context"
	"slices"

	"headgate/shardlog"
)

// Sample is one of CloudWatch's metrics of a stream, or of one shard or
// consumer of it: what was measured here since the gateway's start.
type Sample struct {
	Metric   string // as CloudWatch has it: PutRecords.Latency
	Stream   shardlog.StreamName
	Shard    string // "" for the whole stream
	Consumer string // "" for all
	Sum      float64
	Count    uint64
}

// Samples yields what was measured. Of shards it has what enhanced monitoring
// asks for now.
func (a *API) Samples(ctx context.Context, yield func(Sample)) {
	names := metricNames()
	for key, value := range a.meters.all.Range {
		s, m := key.(subject), value.(*meter)
		stream, there := a.catalog.StreamByID(s.stream)
		if !there || !a.isThere(ctx, stream, s) {
			a.meters.forget(s)
			continue
		}
		one, wanted := Sample{Stream: stream.Name, Consumer: s.consumer}, names[:]
		if s.byShard {
			set, _ := a.settingsOf(ctx, s.stream) // what cannot be read asks for nothing
			one.Shard, wanted = shardName(s.shard), set.Metrics
		}
		for what, name := range names {
			count := m[what].samples.Load()
			if count == 0 || !slices.Contains(wanted, name) {
				continue
			}
			one.Metric, one.Sum, one.Count = name, float64(m[what].sum.Load()), uint64(count)
			if w := metric(what); w == putRecordLatency || w == putRecordsLatency || w == getRecordsLatency {
				one.Sum /= 1000
			}
			yield(one)
		}
	}
}

// isThere reports whether the stream still has what was measured.
func (a *API) isThere(ctx context.Context, stream shardlog.Stream, s subject) bool {
	if s.byShard {
		_, ok := stream.Shard(s.shard)
		return ok
	}
	if s.consumer == "" {
		return true
	}
	return slices.ContainsFunc(a.consumersOf(ctx, stream.ID), func(c consumer) bool { return c.Name == s.consumer })
}
