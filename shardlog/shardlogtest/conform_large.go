package shardlogtest

import (
	"bytes"

	"headgate/shardlog"
)

var largeClauses = []clause{
	{"a stream takes 1 MiB unless it chose more", largeByChoice},
	{"10 MiB come back, alone if they must", largeComesBack},
	{"the size can be changed, and what is stored stays", largeChanges},
	{"sizes out of range are refused", largeInvalid},
}

// large is a stream whose records may have that many KiB.
func (b *bench) large(kib int) shardlog.Stream {
	b.Helper()
	name := b.name()
	if err := b.CreateStream(b.ctx, shardlog.StreamSpec{Name: name, Shards: 1, RecordKiB: kib}); err != nil {
		b.Fatalf("create %s: %v", name, err)
	}
	return b.now(name)
}

// filled is an entry of that many bytes, data and key.
func filled(key string, size int) shardlog.Entry {
	data := make([]byte, size-len(key))
	x := uint32(size)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return shardlog.Entry{Key: key, Data: data}
}

// sameLarge is same, without printing it.
func (b *bench) sameLarge(r shardlog.Record, e shardlog.Entry) {
	b.Helper()
	if r.Key != e.Key || !bytes.Equal(r.Data, e.Data) {
		b.Fatalf("record %d of key %q has %d bytes, which are not the %d of %q", r.Seq, r.Key, len(r.Data), len(e.Data), e.Key)
	}
}

// refuses wants the entry refused as Invalid.
func (b *bench) refuses(name shardlog.StreamName, e shardlog.Entry) {
	b.Helper()
	results, err := b.Put(b.ctx, name, []shardlog.Entry{e})
	if err != nil || len(results) != 1 {
		b.Fatalf("put: %d results, %v", len(results), err)
	}
	b.wants(results[0].Err, shardlog.Invalid)
}

func largeByChoice(b *bench) {
	plain, large := b.stream(1), b.large(2048)
	if n := plain.LargestRecord(); n != shardlog.DefaultRecordBytes {
		b.Errorf("a stream that chose nothing takes %d bytes", n)
	}
	if n := large.LargestRecord(); n != 2<<20 {
		b.Errorf("a stream of 2048 KiB takes %d bytes", n)
	}
	b.refuses(plain.Name, filled("k", 1<<20+1))
	b.refuses(large.Name, filled("k", 2<<20+1))
	b.patientPut(plain.Name, filled("k", 1<<20))
	b.patientPut(large.Name, filled("k", 2<<20))
}

func largeComesBack(b *bench) {
	s := b.large(shardlog.MaxRecordKiB)
	sent := []shardlog.Entry{filled("before", 100), filled("k", shardlog.MaxRecordBytes), filled("after", 200)}
	for _, e := range sent {
		b.patientPut(s.Name, e)
	}
	cursor := shardlog.Cursor{}
	for i, e := range sent {
		page, err := b.Read(b.ctx, s.Shards[0].ID, cursor, shardlog.Budget{Records: 10, Bytes: 150})
		if err != nil || len(page.Records) != 1 {
			b.Fatalf("page %d has %d records, %v", i, len(page.Records), err)
		}
		b.sameLarge(page.Records[0], e)
		cursor = page.Next
	}
}

func largeChanges(b *bench) {
	s := b.stream(1)
	two := filled("two", 2<<20)
	b.refuses(s.Name, two)
	for _, kib := range []int{4096, 4096, 2048} {
		if err := b.SetRecordSize(b.ctx, s.Name, kib); err != nil {
			b.Fatal(err)
		}
		if got := b.now(s.Name).RecordKiB; got != kib {
			b.Fatalf("%d KiB, want %d", got, kib)
		}
	}
	b.patientPut(s.Name, two)
	if err := b.SetRecordSize(b.ctx, s.Name, shardlog.DefaultRecordKiB); err != nil {
		b.Fatal(err)
	}
	b.refuses(s.Name, two)
	page, err := b.Read(b.ctx, s.Shards[0].ID, shardlog.Cursor{}, shardlog.Budget{Records: 1, Bytes: 1})
	if err != nil || len(page.Records) != 1 {
		b.Fatalf("%d records, %v", len(page.Records), err)
	}
	b.sameLarge(page.Records[0], two)
}

func largeInvalid(b *bench) {
	s := b.stream(1)
	for _, kib := range []int{-1, 1, 1023, 10241} {
		b.wants(b.CreateStream(b.ctx, shardlog.StreamSpec{Name: b.name(), Shards: 1, RecordKiB: kib}), shardlog.Invalid)
		b.wants(b.SetRecordSize(b.ctx, s.Name, kib), shardlog.Invalid)
	}
	b.wants(b.SetRecordSize(b.ctx, s.Name, 0), shardlog.Invalid)
	b.wants(b.SetRecordSize(b.ctx, b.name(), 2048), shardlog.NotFound)
}
