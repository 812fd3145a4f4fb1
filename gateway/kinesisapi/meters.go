package kinesisapi

import (
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// metric is one of CloudWatch's metrics of Kinesis.
type metric int

const (
	incomingBytes metric = iota
	incomingRecords
	outgoingBytes
	outgoingRecords
	iteratorAge
	readExceeded
	writeExceeded
	putRecordBytes
	putRecordLatency
	putRecordSuccess
	putRecordsBytes
	putRecordsLatency
	putRecordsRecords
	putRecordsSuccess
	putRecordsSuccessful
	putRecordsTotal
	putRecordsFailed
	putRecordsThrottled
	getRecordsBytes
	getRecordsAge
	getRecordsLatency
	getRecordsRecords
	getRecordsSuccess
	subscribeExceeded
	subscribeSuccess
	eventBytesOut
	eventBehind
	eventRecordsOut
	eventSuccess
	metrics // how many there are
)

// metricNames are CloudWatch's, by metric.
func metricNames() [metrics]string {
	return [metrics]string{"IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "IteratorAgeMilliseconds",
		"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
		"PutRecord.Bytes", "PutRecord.Latency", "PutRecord.Success",
		"PutRecords.Bytes", "PutRecords.Latency", "PutRecords.Records", "PutRecords.Success", "PutRecords.SuccessfulRecords",
		"PutRecords.TotalRecords", "PutRecords.FailedRecords", "PutRecords.ThrottledRecords",
		"GetRecords.Bytes", "GetRecords.IteratorAgeMilliseconds", "GetRecords.Latency", "GetRecords.Records", "GetRecords.Success",
		"SubscribeToShard.RateExceeded", "SubscribeToShard.Success",
		"SubscribeToShardEvent.Bytes", "SubscribeToShardEvent.MillisBehindLatest", "SubscribeToShardEvent.Records", "SubscribeToShardEvent.Success"}
}

// subject is what is measured: a stream, or one shard or consumer of it.
type subject struct {
	stream   shardlog.StreamID
	shard    uint32
	byShard  bool
	consumer string
}

// meter is the metrics of one subject, as CloudWatch's statistics Sum and
// SampleCount. Times are in microseconds. A nil meter measures nothing.
type meter [metrics]struct{ sum, samples atomic.Int64 }

func (m *meter) add(what metric, value int) {
	if m != nil {
		m[what].sum.Add(int64(value))
		m[what].samples.Add(1)
	}
}

// took notes how long a call took and whether it succeeded.
func (m *meter) took(latency, success metric, began time.Time, ok bool) {
	m.add(latency, int(time.Since(began).Microseconds()))
	m.add(success, onlyIf(ok))
}

// onlyIf is one if something is so, else zero.
func onlyIf(is bool) int {
	if is {
		return 1
	}
	return 0
}

// meters are those of what was used. Who reads them makes them forget what has
// gone; while nobody does there are mostMeters at most.
type meters struct {
	all   sync.Map // subject to *meter
	count atomic.Int64
}

const mostMeters = 20000

// of is the meter of a subject, nil when there are too many.
func (ms *meters) of(s subject) *meter {
	if m, ok := ms.all.Load(s); ok {
		return m.(*meter)
	}
	if ms.count.Load() >= mostMeters {
		return nil
	}
	m, there := ms.all.LoadOrStore(s, new(meter))
	if !there {
		ms.count.Add(1)
	}
	return m.(*meter)
}

func (ms *meters) forget(s subject) {
	if _, there := ms.all.LoadAndDelete(s); there {
		ms.count.Add(-1)
	}
}

func (ms *meters) stream(id shardlog.StreamID) *meter { return ms.of(subject{stream: id}) }

// shard is the meter of a shard, nil unless enhanced monitoring asks for some.
func (ms *meters) shard(id shardlog.ShardID, s settings) *meter {
	if len(s.Metrics) == 0 {
		return nil
	}
	return ms.of(subject{stream: id.Stream, shard: id.Number, byShard: true})
}
