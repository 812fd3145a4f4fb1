package streams_test

import (
	"fmt"
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
	entries := make([]shardlog.Entry, 500)
	for i := range entries {
		entries[i] = shardlog.Entry{Key: fmt.Sprint("device-", i%97), Data: fmt.Appendf(nil, `{"device":"device-%d","n":%d,"temperature":%d.%d,"unit":"celsius","status":"ok","battery":%d,"firmware":"1.4.2","location":"hall 3, line 7, position 12","note":"%020d"}`, i%97, i, 20+i%9, i%10, 90-i%7, i*7919)}
	}
	b.SetBytes(int64(500 * len(entries[0].Data)))
	for b.Loop() {
		if _, err := s.Put(b.Context(), "s", entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}
