package kinesisapi

import (
	"time"

	"headgate/shardlog"
)

// measurePut notes what became of the records of one call.
func (a *API) measurePut(stream shardlog.StreamID, s settings, entries []shardlog.Entry, results []shardlog.Result) (stored, throttled, bytes int) {
	var each map[shardlog.ShardID]*[3]int // stored, throttled, bytes by shard; nil unless somebody asks
	if len(s.Metrics) > 0 {
		each = map[shardlog.ShardID]*[3]int{}
	}
	for i := range results {
		size, err := entries[i].Size(), results[i].Err
		ok, short := onlyIf(err == nil), 0
		if err != nil {
			kind := shardlog.KindOf(err)
			short = onlyIf(kind == shardlog.Throttled || kind == shardlog.Full)
		}
		stored, throttled, bytes = stored+ok, throttled+short, bytes+ok*size
		if each != nil {
			n := each[results[i].Shard]
			if n == nil {
				n = new([3]int)
				each[results[i].Shard] = n
			}
			n[0], n[1], n[2] = n[0]+ok, n[1]+short, n[2]+ok*size
		}
	}
	a.meters.stream(stream).came(stored, throttled, bytes)
	a.traffic.recordsIn.Add(int64(stored))
	a.traffic.bytesIn.Add(int64(bytes))
	a.traffic.writesThrottled.Add(int64(throttled))
	for shard, n := range each {
		if shard.Stream == stream { // an entry that was refused for itself has none
			a.meters.shard(shard, s).came(n[0], n[1], n[2])
		}
	}
	return stored, throttled, bytes
}

// measurePuts does so for PutRecords, and answers how many were stored.
func (a *API) measurePuts(m *meter, stream shardlog.StreamID, s settings, entries []shardlog.Entry, results []shardlog.Result) int {
	stored, throttled, bytes := a.measurePut(stream, s, entries, results)
	m.add(putRecordsBytes, bytes)
	m.add(putRecordsRecords, stored)
	m.add(putRecordsSuccessful, stored)
	m.add(putRecordsTotal, len(results))
	m.add(putRecordsThrottled, throttled)
	m.add(putRecordsFailed, len(results)-stored-throttled)
	return stored
}

func (m *meter) came(stored, throttled, bytes int) {
	m.add(incomingRecords, stored)
	m.add(incomingBytes, bytes)
	m.add(writeExceeded, throttled)
}

// measureRead notes what one GetRecords call gave.
func (a *API) measureRead(shard shardlog.ShardID, s settings, records, bytes int, behind time.Duration) {
	m := a.meters.stream(shard.Stream)
	m.add(getRecordsRecords, records)
	m.add(getRecordsBytes, bytes)
	m.add(getRecordsAge, int(behind.Milliseconds()))
	for _, m := range []*meter{m, a.meters.shard(shard, s)} {
		m.add(outgoingRecords, records)
		m.add(outgoingBytes, bytes)
		m.add(readExceeded, 0)
	}
	a.meters.shard(shard, s).add(iteratorAge, int(behind.Milliseconds()))
}

// measureEvent notes an event that was sent to a consumer, or could not be.
func (p *pusher) measureEvent(e *event, err error) {
	m := p.meter
	m.add(eventSuccess, onlyIf(err == nil))
	if err != nil {
		return
	}
	m.add(eventRecordsOut, e.records)
	m.add(eventBytesOut, e.bytes)
	m.add(eventBehind, int(e.behind.Milliseconds()))
	for _, m := range []*meter{p.api.meters.stream(p.shard.ID.Stream), p.shardMeter} {
		m.add(outgoingRecords, e.records)
		m.add(outgoingBytes, e.bytes)
	}
}
