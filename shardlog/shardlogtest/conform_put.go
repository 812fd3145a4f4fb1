package shardlogtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"headgate/shardlog"
)

var putClauses = []clause{
	{"every entry has its result, in order", putAnswersInOrder},
	{"the hash of the key chooses the shard", putRoutesByKey},
	{"an explicit hash chooses the shard", putRoutesByHash},
	{"sequence numbers begin at one and have no holes", putNumbers},
	{"order is the order of entries and of calls", putKeepsOrder},
	{"the caller may use its bytes again", putBorrows},
	{"empty data, meta and large records come back", putKeepsBytes},
	{"arrival has milliseconds and never goes back", putStamps},
	{"there must be such a stream", putNotFound},
	{"an entry that is not allowed is refused alone", putInvalid},
	{"the first throttled entry of a key throttles the rest of it", putThrottles},
	{"a context that has ended stores nothing", putEnded},
	{"many callers number nothing twice", putByMany},
}

func putAnswersInOrder(b *bench) {
	s := b.stream(4)
	sent := entries("a", 50)
	results := b.put(s.Name, sent...)
	records := make(map[shardlog.ShardID][]shardlog.Record)
	for _, sh := range s.Shards {
		records[sh.ID] = b.all(sh.ID)
	}
	for i, r := range results {
		sh, ok := s.Shard(r.Shard.Number)
		if !ok || r.Shard != sh.ID {
			b.Fatalf("entry %d: the stream has no shard %v", i, r.Shard)
		}
		index := int(r.Number.Index)
		if index < 1 || index > len(records[r.Shard]) {
			b.Fatalf("entry %d lies at %d of %d records", i, index, len(records[r.Shard]))
		}
		record := records[r.Shard][index-1]
		b.same(record, sent[i])
		if want := sh.Number(record.Seq, record.Arrived); r.Number != want {
			b.Fatalf("entry %d has number %v, its record has %v", i, r.Number, want)
		}
	}
}

func putRoutesByKey(b *bench) {
	s := b.stream(5)
	sent := entries("b", 90)
	for i, r := range b.put(s.Name, sent...) {
		sh, _ := s.Shard(r.Shard.Number)
		if h := shardlog.HashKey(sent[i].Key); h.Less(sh.From) || sh.To.Less(h) {
			b.Fatalf("key %q with hash %v went to %v, which has %v to %v", sent[i].Key, h, r.Shard, sh.From, sh.To)
		}
	}
}

func putRoutesByHash(b *bench) {
	s := b.stream(3)
	var sent []shardlog.Entry
	for _, sh := range s.Shards {
		sent = append(sent, shardlog.Entry{Key: "k", Hash: &sh.From, Data: []byte("from")}, shardlog.Entry{Hash: &sh.To, Data: []byte("to")}) // a hash needs no key
	}
	for i, r := range b.put(s.Name, sent...) {
		if r.Shard != s.Shards[i/2].ID {
			b.Errorf("hash %v went to %v, want %v", sent[i].Hash, r.Shard, s.Shards[i/2].ID)
		}
	}
	for i, sh := range s.Shards {
		records := b.all(sh.ID)
		if len(records) != 2 {
			b.Fatalf("%v has %d records, want 2", sh.ID, len(records))
		}
		b.same(records[0], sent[2*i])
		b.same(records[1], sent[2*i+1])
	}
}

func putNumbers(b *bench) {
	s := b.stream(1)
	var last string
	for i := range 20 {
		for j, r := range b.put(s.Name, entries(fmt.Sprint(i), 3)...) {
			if want := shardlog.Seq(3*i + j + 1); r.Number.Index != want {
				b.Fatalf("record %d has index %d", want, r.Number.Index)
			}
			text := r.Number.String()
			if text <= last {
				b.Fatalf("number %s follows %s", text, last)
			}
			last = text
			if parsed, err := shardlog.ParseSequenceNumber(text); err != nil || parsed != r.Number {
				b.Fatalf("%s parses as %v, %v", text, parsed, err)
			}
		}
	}
	if next := b.now(s.Name).Shards[0].Next; next != 61 {
		b.Errorf("after 60 records the next is %d", next)
	}
}

func putKeepsOrder(b *bench) {
	s := b.stream(2)
	want := make(map[shardlog.ShardID][]shardlog.Entry)
	for i := range 10 {
		sent := entries(fmt.Sprint("call", i), 12)
		for j, r := range b.put(s.Name, sent...) {
			want[r.Shard] = append(want[r.Shard], sent[j])
		}
	}
	for id, sent := range want {
		records := b.all(id)
		if len(records) != len(sent) {
			b.Fatalf("%v has %d records, want %d", id, len(records), len(sent))
		}
		for i, r := range records {
			b.same(r, sent[i])
		}
	}
}

func putBorrows(b *bench) {
	s := b.stream(1)
	data, meta, hash := []byte("the data"), []byte("the meta"), shardlog.Hash{Hi: 5}
	b.put(s.Name, shardlog.Entry{Key: "k", Data: data, Meta: meta, Hash: &hash})
	clear(data)
	clear(meta)
	hash = shardlog.Hash{}
	b.same(b.all(s.Shards[0].ID)[0], shardlog.Entry{Key: "k", Data: []byte("the data"), Meta: []byte("the meta"), Hash: &shardlog.Hash{Hi: 5}})
}

func putKeepsBytes(b *bench) {
	s := b.stream(1)
	large := bytes.Repeat([]byte("0123456789abcdef"), shardlog.DefaultRecordBytes/16)
	sent := []shardlog.Entry{
		{Key: "no data"},
		{Key: "meta", Data: []byte("d"), Meta: []byte("devices/meta/up")},
		{Key: "ключ", Data: []byte{0, 255, 10, 13}},
		{Key: strings.Repeat("é", shardlog.MaxPartitionKey), Data: []byte("longest key")},
	}
	b.put(s.Name, sent...)
	sent = append(sent, shardlog.Entry{Key: "largest", Data: large[:shardlog.DefaultRecordBytes-7]})
	b.patientPut(s.Name, sent[4])
	records := b.all(s.Shards[0].ID)
	if len(records) != len(sent) {
		b.Fatalf("%d records, want %d", len(records), len(sent))
	}
	for i := range sent {
		b.same(records[i], sent[i])
	}
}

func putStamps(b *bench) {
	s := b.stream(1)
	for i := range 30 {
		b.put(s.Name, entries(fmt.Sprint(i), 2)...)
	}
	var last time.Time
	for _, r := range b.all(s.Shards[0].ID) {
		if !r.Arrived.Equal(r.Arrived.Truncate(time.Millisecond)) {
			b.Fatalf("record %d arrived at %v, finer than a millisecond", r.Seq, r.Arrived)
		}
		if r.Arrived.Before(last) {
			b.Fatalf("record %d arrived at %v, the one before at %v", r.Seq, r.Arrived, last)
		}
		last = r.Arrived
	}
}

func putNotFound(b *bench) {
	_, err := b.Put(b.ctx, b.name(), entries("x", 1))
	b.wants(err, shardlog.NotFound)
	s := b.stream(1)
	if err := b.DeleteStream(b.ctx, s.Name); err != nil {
		b.Fatal(err)
	}
	_, err = b.Put(b.ctx, s.Name, entries("x", 1))
	b.wants(err, shardlog.NotFound)
}

func putInvalid(b *bench) {
	s := b.stream(1)
	bad := []shardlog.Entry{
		{Data: []byte("no key")},
		{Key: strings.Repeat("k", shardlog.MaxPartitionKey+1)},
		{Key: "too large", Data: make([]byte, shardlog.DefaultRecordBytes)},
	}
	for _, e := range bad {
		good := shardlog.Entry{Key: "good", Data: []byte("good")}
		results, err := b.Put(b.ctx, s.Name, []shardlog.Entry{good, e, good})
		if err != nil || len(results) != 3 {
			b.Fatalf("put with key %.20q: %d results, %v", e.Key, len(results), err)
		}
		b.wants(results[1].Err, shardlog.Invalid)
		if results[0].Err != nil || results[2].Err != nil {
			b.Fatalf("its neighbours were refused: %v, %v", results[0].Err, results[2].Err)
		}
	}
	if n := len(b.all(s.Shards[0].ID)); n != 2*len(bad) {
		b.Errorf("%d records, want %d", n, 2*len(bad))
	}
}

func putEnded(b *bench) {
	s := b.stream(1)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, err := b.Put(ctx, s.Name, entries("x", 1))
	b.wants(err, shardlog.Unavailable)
	b.put(s.Name, entries("y", 1)...)
	if n := len(b.all(s.Shards[0].ID)); n != 1 {
		b.Errorf("%d records, want 1", n)
	}
}

func putByMany(b *bench) {
	const callers, calls = 8, 20
	s := b.stream(4)
	var ledger Ledger
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			last := make(map[string]shardlog.Seq) // of each key, which stays in its shard
			for call := range calls {
				sent := entries(fmt.Sprint("caller", caller), 6)
				for i := range sent {
					sent[i].Data = fmt.Appendf(nil, "%d %d %d", caller, call, i)
				}
				ledger.Try(sent...)
				results, err := b.Put(b.ctx, s.Name, sent)
				if err != nil || len(results) != len(sent) {
					b.Errorf("put: %d results, %v", len(results), err)
					return
				}
				for i, r := range results {
					ledger.Ack(sent[i], r)
					if r.Err != nil || r.Number.Index <= last[sent[i].Key] {
						b.Errorf("entry of key %q is at %d after %d: %v", sent[i].Key, r.Number.Index, last[sent[i].Key], r.Err)
					}
					last[sent[i].Key] = r.Number.Index
				}
			}
		})
	}
	group.Wait()
	report, err := ledger.Check(b.ctx, b.Log, s.Name)
	if err == nil {
		err = report.Err()
	}
	if err != nil || report.Acked != callers*calls*6 || report.Read != report.Acked {
		b.Errorf("%d acknowledged, %d read: %v", report.Acked, report.Read, err)
	}
}
