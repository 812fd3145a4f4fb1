package shardlogtest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

var readClauses = []clause{
	{"pages keep to their budget and follow one another", readPages},
	{"a page holds one record, however large", readOne},
	{"any record can be the first", readFromAnywhere},
	{"the zero cursor begins at the horizon", readZero},
	{"an empty shard is at its tip", readEmpty},
	{"tip and behind tell where a page ends", readTip},
	{"reading twice reads the same", readTwice},
	{"a pinned cursor stays pinned", readPinned},
	{"seek finds the first record at or after a time", readSeek},
	{"there must be such a shard", readNotFound},
	{"a reader beside writers sees a growing prefix", readBesideWriters},
	{"nothing is given up", readGaps},
}

// wide is a budget that nothing here reaches.
var wide = shardlog.Budget{Records: 10000, Bytes: 10 << 20}

func readPages(b *bench) {
	s := b.stream(1)
	var sent []shardlog.Entry
	for i := range 12 {
		part := entries(fmt.Sprint("part", i), 10)
		b.put(s.Name, part...)
		sent = append(sent, part...)
	}
	for _, most := range []shardlog.Budget{{Records: 7, Bytes: 1 << 20}, {Records: 1, Bytes: 1 << 20}, {Records: 1000, Bytes: 500}, {Records: 3, Bytes: 100}} {
		var cursor shardlog.Cursor
		read := 0
		for {
			page := b.read(s.Shards[0].ID, cursor, most)
			size := 0
			for _, r := range page.Records {
				if r.Seq != shardlog.Seq(read+1) {
					b.Fatalf("budget %+v: record %d follows %d", most, r.Seq, read)
				}
				b.same(r, sent[read])
				read++
				size += r.Size()
			}
			if n := len(page.Records); n > most.Records || n > 1 && size > most.Bytes {
				b.Fatalf("budget %+v: a page of %d records and %d bytes", most, n, size)
			}
			cursor = page.Next
			if page.Tip {
				break
			}
		}
		if read != len(sent) || cursor.Next != shardlog.Seq(len(sent)+1) {
			b.Fatalf("budget %+v: %d records, next %d", most, read, cursor.Next)
		}
	}
}

func readOne(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("one", 3)...)
	for i := range shardlog.Seq(3) {
		page := b.read(s.Shards[0].ID, shardlog.Cursor{Next: i + 1}, shardlog.Budget{Records: 1, Bytes: 1})
		if len(page.Records) != 1 || page.Records[0].Seq != i+1 || page.Next.Next != i+2 {
			b.Fatalf("from %d: %d records, next %d", i+1, len(page.Records), page.Next.Next)
		}
	}
}

func readFromAnywhere(b *bench) {
	s := b.stream(1)
	sent := entries("any", 40)
	b.put(s.Name, sent[:25]...)
	b.put(s.Name, sent[25:]...)
	for i := range sent {
		page := b.read(s.Shards[0].ID, shardlog.Cursor{Next: shardlog.Seq(i + 1)}, wide)
		if len(page.Records) != len(sent)-i {
			b.Fatalf("from %d: %d records, want %d", i+1, len(page.Records), len(sent)-i)
		}
		b.same(page.Records[0], sent[i])
	}
}

func readZero(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("zero", 3)...)
	page := b.read(s.Shards[0].ID, shardlog.Cursor{}, wide)
	if len(page.Records) != 3 || page.Records[0].Seq != 1 || page.Next.Next != 4 {
		b.Errorf("%d records, next %d", len(page.Records), page.Next.Next)
	}
	if oldest := b.now(s.Name).Shards[0].Oldest; oldest != 1 {
		b.Errorf("the oldest is %d", oldest)
	}
}

func readEmpty(b *bench) {
	s := b.stream(1)
	page := b.read(s.Shards[0].ID, shardlog.Cursor{}, wide)
	if len(page.Records) != 0 || !page.Tip || page.End || page.Behind != 0 {
		b.Errorf("page %+v", page)
	}
	b.put(s.Name, entries("first", 1)...)
	page = b.read(s.Shards[0].ID, page.Next, wide)
	if len(page.Records) != 1 || page.Records[0].Seq != 1 {
		b.Errorf("then %d records", len(page.Records))
	}
}

func readTip(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("tip", 2)...)
	id := s.Shards[0].ID
	page := b.read(id, shardlog.Cursor{}, shardlog.Budget{Records: 1, Bytes: 1000})
	if page.Tip || page.End {
		b.Fatalf("one of two records read: tip %v, end %v", page.Tip, page.End)
	}
	for page.Behind == 0 { // until the record is a millisecond old
		if b.ctx.Err() != nil {
			b.Fatal("the position before the tip does not age")
		}
		runtime.Gosched()
		page = b.read(id, shardlog.Cursor{}, shardlog.Budget{Records: 1, Bytes: 1000})
	}
	page = b.read(id, page.Next, wide)
	if len(page.Records) != 1 || !page.Tip || page.End || page.Behind != 0 {
		b.Errorf("at the tip: %d records, tip %v, end %v, behind %v", len(page.Records), page.Tip, page.End, page.Behind)
	}
	page = b.read(id, page.Next, wide)
	if len(page.Records) != 0 || !page.Tip || page.End || page.Behind != 0 || page.Next.Next != 3 {
		b.Errorf("behind the tip: %d records, tip %v, end %v, behind %v, next %d", len(page.Records), page.Tip, page.End, page.Behind, page.Next.Next)
	}
}

func readTwice(b *bench) {
	s := b.stream(2)
	b.put(s.Name, entries("twice", 30)...)
	for _, sh := range s.Shards {
		first := b.all(sh.ID)
		b.put(s.Name, entries("later", 6)...)
		second := b.all(sh.ID)
		if len(second) < len(first) {
			b.Fatalf("%d records, then %d", len(first), len(second))
		}
		for i, r := range first {
			b.same(second[i], shardlog.Entry{Key: r.Key, Hash: r.Hash, Data: r.Data, Meta: r.Meta})
			if second[i].Seq != r.Seq || !second[i].Arrived.Equal(r.Arrived) {
				b.Fatalf("%d of %v became %d of %v", r.Seq, r.Arrived, second[i].Seq, second[i].Arrived)
			}
		}
	}
}

func readPinned(b *bench) {
	s := b.stream(1)
	b.put(s.Name, entries("pin", 3)...)
	for _, pinned := range []bool{false, true} {
		page := b.read(s.Shards[0].ID, shardlog.Cursor{Next: 2, Pinned: pinned}, wide)
		if len(page.Records) != 2 || page.Next != (shardlog.Cursor{Next: 4, Pinned: pinned}) {
			b.Errorf("pinned %v: %d records, next %+v", pinned, len(page.Records), page.Next)
		}
	}
}

func readSeek(b *bench) {
	s := b.stream(1)
	id := s.Shards[0].ID
	seek := func(at time.Time) shardlog.Seq {
		b.Helper()
		c, err := b.Seek(b.ctx, id, at)
		if err != nil {
			b.Fatalf("seek %v: %v", at, err)
		}
		if c.Pinned {
			b.Fatal("the cursor is pinned")
		}
		return max(c.Next, 1)
	}
	if got := seek(time.Now()); got != 1 {
		b.Errorf("in an empty shard: %d", got)
	}
	for i := range 30 {
		b.put(s.Name, entries(fmt.Sprint(i), 2)...)
	}
	records := b.all(id)
	first := make(map[int64]shardlog.Seq) // record of each millisecond
	for _, r := range records {
		if _, ok := first[r.Arrived.UnixMilli()]; !ok {
			first[r.Arrived.UnixMilli()] = r.Seq
		}
	}
	for i, r := range records {
		if got, want := seek(r.Arrived), first[r.Arrived.UnixMilli()]; got != want {
			b.Fatalf("seek arrival of record %d: %d, want %d", r.Seq, got, want)
		}
		if i > 0 && records[i-1].Arrived.Before(r.Arrived) {
			if got := seek(records[i-1].Arrived.Add(1)); got != r.Seq {
				b.Fatalf("seek just after record %d: %d, want %d", r.Seq-1, got, r.Seq)
			}
		}
	}
	if got := seek(time.Time{}); got != 1 {
		b.Errorf("seek the year 1: %d", got)
	}
	if got := seek(records[len(records)-1].Arrived.Add(time.Hour)); got != shardlog.Seq(len(records)+1) {
		b.Errorf("seek the future: %d, want the tip %d", got, len(records)+1)
	}
}

func readNotFound(b *bench) {
	s := b.stream(2)
	gone := b.stream(1)
	if err := b.DeleteStream(b.ctx, gone.Name); err != nil {
		b.Fatal(err)
	}
	for _, id := range []shardlog.ShardID{{}, {Stream: s.ID, Number: 2}, {Stream: s.ID + 1000}, gone.Shards[0].ID} {
		_, err := b.Read(b.ctx, id, shardlog.Cursor{}, wide)
		b.wants(err, shardlog.NotFound)
		_, err = b.Seek(b.ctx, id, time.Now())
		b.wants(err, shardlog.NotFound)
		b.wants(b.Wait(b.ctx, id, 1), shardlog.NotFound)
	}
}

func readBesideWriters(b *bench) {
	const calls = 40
	s := b.stream(1)
	id := s.Shards[0].ID
	var written atomic.Int64
	var group sync.WaitGroup
	for writer := range 2 {
		group.Go(func() {
			for i := range calls {
				if _, err := b.Put(b.ctx, s.Name, entries(fmt.Sprint(writer, i), 3)); err != nil {
					b.Errorf("put: %v", err)
					return
				}
				written.Add(3)
			}
		})
	}
	for range 3 {
		group.Go(func() {
			for next := shardlog.Seq(1); next <= 2*calls*3; {
				acked := written.Load()
				page, err := b.Read(b.ctx, id, shardlog.Cursor{Next: next}, wide)
				if err != nil {
					b.Errorf("read: %v", err)
					return
				}
				for _, r := range page.Records {
					if r.Seq != next {
						b.Errorf("record %d where %d was wanted", r.Seq, next)
						return
					}
					next++
				}
				if int64(next-1) < acked {
					b.Errorf("%d records were acknowledged before a read that ends at %d", acked, next-1)
					return
				}
				if next <= 2*calls*3 && b.Wait(b.ctx, id, next) != nil {
					b.Errorf("record %d does not come", next)
					return
				}
			}
		})
	}
	group.Wait()
}

func readGaps(b *bench) {
	for g, err := range b.Gaps(b.ctx) {
		b.Errorf("gap %+v, %v", g, err)
	}
}
