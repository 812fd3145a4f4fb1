package kinesisapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// GetRecords reads on from an iterator: up to Limit records and 10 MiB. At
// the end of a closed shard NextShardIterator is absent and ChildShards tells
// where the reader goes on. Five calls and 2 MiB a second for each shard; an
// answer that is larger closes the shard until its second is paid off.
//
// Under memory pressure answers are smaller, never missing.
//
// ExpiredIteratorException, InvalidArgumentException,
// ResourceNotFoundException, ProvisionedThroughputExceededException,
// DryRunOperationException.

func getRecordsInput() []awsapi.Field {
	return []awsapi.Field{
		limit("Limit"),
		text("ShardIterator", awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(512)),
		streamARN(), boolean("DryRun"),
	}
}

func (a *API) getRecords(ctx context.Context, c *awsapi.Call) (err error) {
	began := time.Now()
	it, opened := c.Parsed.(iterator) // by needsOfIterator
	if !opened {
		if it, err = a.openIterator(ctx, c.In.Text("ShardIterator")); err != nil {
			return err
		}
	}
	if text := c.In.Text("StreamARN"); text != "" {
		if _, err := identify(it.name, text); err != nil {
			return err
		}
	}
	stream, ok := a.catalog.StreamByID(it.shard.Stream)
	if !ok {
		return noShard(shardName(it.shard.Number), it.name)
	}
	shard, ok := stream.Shard(it.shard.Number)
	if !ok {
		return noShard(shardName(it.shard.Number), it.name)
	}
	set, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	if c.In.Bool("DryRun") { // it counts as a call, and is not measured
		if err := a.rates.admitRead(a.now(), shard.ID); err != nil {
			return &about{stream.Name, err}
		}
		return dryRun()
	}
	meter := a.meters.stream(stream.ID)
	defer func() { meter.took(getRecordsLatency, getRecordsSuccess, began, err == nil) }()
	if err := a.rates.admitRead(a.now(), shard.ID); err != nil {
		a.traffic.readsThrottled.Add(1)
		meter.add(readExceeded, 1)
		a.meters.shard(shard.ID, set).add(readExceeded, 1)
		return &about{stream.Name, err}
	}
	page, bytes, err := a.readPage(ctx, c, it, stream.LargestRecord())
	if err != nil {
		return &about{stream.Name, err}
	}
	a.rates.chargeRead(a.now(), shard.ID, bytes)
	a.measureRead(shard.ID, set, len(page.Records), bytes, page.Behind)
	a.traffic.recordsOut.Add(int64(len(page.Records)))
	a.traffic.bytesOut.Add(int64(bytes))
	next := ""
	if !page.End {
		it.next = page.Next.Next
		if next, err = a.sealIterator(ctx, it); err != nil {
			return &about{stream.Name, err}
		}
	}
	c.Out.Grow(bytes*4/3 + len(page.Records)*recordOverhead + 1024)
	putPage(&c.Out, stream, shard, page, next)
	return nil
}

// recordOverhead is about what a record takes in an answer besides its bytes.
const recordOverhead = 180

// readPage reads as much as there is memory for, and answers the bytes of
// data and keys in it. A page is held twice: as records, and as their JSON
// form. It has one record at least, of which largest is the size.
func (a *API) readPage(ctx context.Context, c *awsapi.Call, it iterator, largest int) (shardlog.Page, int, error) {
	most, err := room(ctx, c, largest)
	if err != nil {
		return shardlog.Page{}, 0, err
	}
	budget := shardlog.Budget{Records: c.In.Int("Limit", shardlog.MaxReadRecords), Bytes: most}
	page, err := a.reader.Read(ctx, it.shard, shardlog.Cursor{Next: it.next}, budget)
	if err != nil {
		return page, 0, err
	}
	bytes := 0
	for i := range page.Records {
		bytes += page.Records[i].Size()
	}
	if bytes > most { // a record from when the stream took larger ones
		if err := c.Hold(ctx, pageMemory(bytes)-pageMemory(most)); err != nil {
			return page, 0, err
		}
	}
	c.Release(max(0, pageMemory(most)-pageMemory(bytes)))
	return page, bytes, nil
}

// room holds memory for a page: for the largest that there is room for now, or
// for the smallest after standing in line.
func room(ctx context.Context, c *awsapi.Call, largest int) (bytes int, err error) {
	smallest := max(shardlog.MaxReadBytes/8, min(largest, shardlog.MaxReadBytes))
	for bytes = shardlog.MaxReadBytes; bytes >= smallest; bytes /= 2 {
		if c.TryHold(pageMemory(bytes)) {
			return bytes, nil
		}
	}
	if err := c.Hold(ctx, pageMemory(smallest)); err != nil {
		return 0, err
	}
	return smallest, nil
}

func pageMemory(bytes int) int64 { return int64(bytes) * 5 / 2 }

// putPage writes the answer; next is "" at the end of the shard.
func putPage(out *awsapi.Reply, stream shardlog.Stream, shard shardlog.Shard, page shardlog.Page, next string) {
	out.Open("")
	putRecords(out, shard, page.Records)
	if next != "" {
		out.Text("NextShardIterator", next)
	}
	out.Int("MillisBehindLatest", page.Behind.Milliseconds())
	if next == "" {
		putChildren(out, stream, shard.ID.Number)
	}
	out.Close()
}

// putRecords appends records as all who read get them.
func putRecords(out *awsapi.Reply, shard shardlog.Shard, records []shardlog.Record) {
	out.List("Records")
	for i := range records {
		r := &records[i]
		out.Open("")
		out.EndQuote(shard.Number(r.Seq, r.Arrived).Append(out.Quote("SequenceNumber")))
		out.Time("ApproximateArrivalTimestamp", r.Arrived)
		out.Blob("Data", r.Data)
		if r.Key != "" { // a stream of strategy AUTO wants none
			out.Text("PartitionKey", r.Key)
		}
		out.Close()
	}
	out.EndList()
}

// putChildren appends the shards that go on where a closed one ended.
func putChildren(out *awsapi.Reply, stream shardlog.Stream, parent uint32) {
	out.List("ChildShards")
	for _, s := range stream.Shards {
		first, second := s.Parent, s.Adjacent
		if !(first != nil && *first == parent || second != nil && *second == parent) {
			continue
		}
		out.Open("")
		out.EndQuote(appendShard(out.Quote("ShardId"), s.ID.Number))
		out.List("ParentShards")
		for _, p := range [...]*uint32{first, second} {
			if p != nil {
				out.EndQuote(appendShard(out.Quote(""), *p))
			}
		}
		out.EndList()
		putRange(out, s)
		out.Close()
	}
	out.EndList()
}
