package shardlogtest

import (
	"fmt"
	"time"

	"headgate/shardlog"
)

func putThrottles(b *bench) {
	s := b.stream(1)
	sent := make([]shardlog.Entry, 2*shardlog.ShardRecordsIn)
	for i := range sent {
		sent[i] = shardlog.Entry{Key: []string{"one", "two"}[i%2], Data: fmt.Appendf(nil, "%d", i)}
	}
	results, err := b.Put(b.ctx, s.Name, sent)
	if err != nil || len(results) != len(sent) {
		b.Fatalf("put: %d results, %v", len(results), err)
	}
	short := make(map[string]bool)
	var stored []shardlog.Entry
	for i, r := range results {
		if r.Err == nil {
			if short[sent[i].Key] {
				b.Fatalf("entry %d was stored after one of its key was throttled", i)
			}
			stored = append(stored, sent[i])
			continue
		}
		b.wants(r.Err, shardlog.Throttled)
		if shardlog.RetryAfter(r.Err) <= 0 {
			b.Fatalf("%v does not say when to try again", r.Err)
		}
		short[sent[i].Key] = true
	}
	records := b.all(s.Shards[0].ID)
	if len(records) != len(stored) {
		b.Fatalf("%d records, %d were acknowledged", len(records), len(stored))
	}
	for i, r := range records {
		b.same(r, stored[i])
	}
}

// patientPut repeats a Put while it is throttled.
func (b *bench) patientPut(name shardlog.StreamName, e shardlog.Entry) {
	b.Helper()
	for {
		results, err := b.Put(b.ctx, name, []shardlog.Entry{e})
		if err != nil || len(results) != 1 {
			b.Fatalf("put: %d results, %v", len(results), err)
		}
		if results[0].Err == nil {
			return
		}
		b.wants(results[0].Err, shardlog.Throttled)
		wait := shardlog.RetryAfter(results[0].Err)
		if wait <= 0 {
			b.Fatalf("%v does not say when to try again", results[0].Err)
		}
		select {
		case <-time.After(wait):
		case <-b.ctx.Done():
			b.Fatalf("still throttled: %v", results[0].Err)
		}
	}
}
