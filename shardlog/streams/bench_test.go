package streams_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/streams"
)

// BenchmarkPut is Puts of 500 records of 200 bytes over 16 shards, to a disk.
func BenchmarkPut(b *testing.B) {
	s := openSite(b, func(c *streams.Config) { c.Limits = quota.Limits{Off: true} })
	if err := s.CreateStream(b.Context(), shardlog.StreamSpec{Name: "s", Shards: 16}); err != nil {
		b.Fatal(err)
	}
	benchmarkPut(b, s, "s")
}

// BenchmarkPutAlone is the same over a log that keeps nothing: what the write
// path itself takes, compression and quotas included. Two callers keep the
// pool full, so that it waits for nobody.
func BenchmarkPutAlone(b *testing.B) {
	m := newMachine(16)
	m.deaf = true
	l := over(b, m, func(c *streams.Config) { c.Limits = quota.Limits{RecordsIn: 1e9, BytesIn: 1e9} })
	defer run(b.Context(), l)()
	ctx, cancel := context.WithCancel(b.Context())
	var other sync.WaitGroup
	all := telemetry()
	other.Go(func() {
		for ctx.Err() == nil {
			_, _ = l.Put(ctx, "a", all)
		}
	})
	benchmarkPut(b, l, "a")
	cancel()
	other.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(l.Stats().Records), "ns/record")
}

func benchmarkPut(b *testing.B, w shardlog.Writer, name shardlog.StreamName) {
	entries := telemetry()
	b.SetBytes(int64(500 * len(entries[0].Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Put(b.Context(), name, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}

func telemetry() []shardlog.Entry {
	entries := make([]shardlog.Entry, 500)
	for i := range entries {
		entries[i] = shardlog.Entry{Key: fmt.Sprint("device-", i%97), Data: fmt.Appendf(nil, `{"device":"device-%d","n":%d,"temperature":%d.%d,"unit":"celsius","status":"ok","battery":%d,"firmware":"1.4.2","location":"hall 3, line 7, position 12","note":"%020d"}`, i%97, i, 20+i%9, i%10, 90-i%7, i*7919)}
	}
	return entries
}
