package kinesisapi

import (
	"context"
	"fmt"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// PutRecords stores up to 500 records, 10 MiB with their keys, and answers a
// result for each in order: its place, or ProvisionedThroughputExceededException
// or InternalFailure, to be sent again. The answer is 200 even when every
// record failed.
//
// ResourceNotFoundException, InvalidArgumentException,
// DryRunOperationException, AccessDeniedException (_names).

const (
	maxData     = 10 << 20 // of one record, by the API's model
	maxPutBytes = 10 << 20 // of one call, data and keys
)

func putRecordsInput() []awsapi.Field {
	return []awsapi.Field{
		{Name: "Records", Type: awsapi.List,
			Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(shardlog.MaxPutEntries)},
			Label: "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310",
			Of: &awsapi.Field{Type: awsapi.Structure, Rules: []awsapi.Rule{awsapi.NotNull()},
				Fields: []awsapi.Field{partitionKey(), explicitHashKey(), data()}}},
		streamName(), streamARN(), boolean("DryRun"),
	}
}

// putRequest is a PutRecords request, whichever way it was read.
type putRequest struct {
	stream  shardlog.StreamName
	arn     string
	entries []shardlog.Entry
	hashes  []string // ExplicitHashKey of each entry, "" for none; nil when none has one
	dryRun  bool

	keys []byte // where fastPutRecords gathers the keys
	ends []int
}

// Reset empties the request and keeps its room.
func (p *putRequest) Reset() {
	clear(p.entries)
	*p = putRequest{entries: p.entries[:0], keys: p.keys[:0], ends: p.ends[:0]}
}

func (a *API) putRecords(ctx context.Context, c *awsapi.Call) error {
	began := time.Now()
	p, ok := c.Parsed.(*putRequest)
	if c.In != nil || !ok {
		p = readPutRequest(c.In)
	}
	stream, set, err := a.checkPut(ctx, p)
	if err != nil {
		return err
	}
	if p.dryRun {
		return dryRun()
	}
	meter, stored := a.meters.stream(stream.ID), 0
	defer func() { meter.took(putRecordsLatency, putRecordsSuccess, began, stored > 0) }()
	results, err := a.writer.Put(ctx, stream.Name, p.entries)
	if err != nil {
		return &about{stream.Name, err}
	}
	stored = a.measurePuts(meter, stream.ID, set, p.entries, results)
	a.putResults(&c.Out, stream.Name, results)
	putEncryption(&c.Out, set)
	c.Out.Close()
	return nil
}

// readPutRequest takes the request out of its generic form.
func readPutRequest(in awsapi.Input) *putRequest {
	p := &putRequest{stream: shardlog.StreamName(in.Text("StreamName")), arn: in.Text("StreamARN"), dryRun: in.Bool("DryRun")}
	records := in.List("Records")
	p.hashes = make([]string, len(records))
	for i, record := range records {
		r := record.(awsapi.Input)
		p.entries = append(p.entries, shardlog.Entry{Key: r.Text("PartitionKey"), Data: r.Blob("Data")})
		p.hashes[i] = r.Text("ExplicitHashKey")
	}
	return p
}

// checkPut checks what the model of the API does not say, and reads the hashes.
func (a *API) checkPut(ctx context.Context, p *putRequest) (stream shardlog.Stream, set settings, err error) {
	total := 0
	for i := range p.entries {
		total += p.entries[i].Size()
	}
	if total > maxPutBytes {
		return stream, set, awsapi.Fail(invalidArgument, "Records size exceeds %d MB limit", maxPutBytes>>20)
	}
	name, err := identify(p.stream, p.arn)
	if err != nil {
		return stream, set, err
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return stream, set, noStream(name)
	}
	most := stream.LargestRecord()
	for i := range p.entries {
		if p.entries[i].Size() > most {
			return stream, set, tooLarge(fmt.Sprintf("records.%d.member.data", i+1), most)
		}
	}
	if err := changeable(name); err != nil {
		return stream, set, err
	}
	placing, err := a.placing(ctx, stream)
	if err != nil {
		return stream, set, err
	}
	for i := range p.entries {
		explicit := ""
		if p.hashes != nil {
			explicit = p.hashes[i]
		}
		if err := placing.place(&p.entries[i], explicit, i+1); err != nil {
			return stream, set, err
		}
	}
	return stream, placing.set, nil
}

// putResults writes the answer, and leaves it open.
func (a *API) putResults(out *awsapi.Reply, stream shardlog.StreamName, results []shardlog.Result) {
	const each = 130 // bytes of one result
	out.Grow(len(results)*each + 128)
	failed := 0
	out.Open("")
	out.List("Records")
	for i := range results {
		out.Open("")
		if err := results[i].Err; err == nil {
			putResult(out, results[i])
		} else {
			failed++
			code, message := refusal(stream, results[i])
			out.Text("ErrorCode", code)
			out.Text("ErrorMessage", message)
		}
		out.Close()
	}
	out.EndList()
	out.Int("FailedRecordCount", int64(failed))
}

// refusal is why one record was not stored: one of the two codes that
// producers know how to answer.
func refusal(stream shardlog.StreamName, r shardlog.Result) (code, message string) {
	switch shardlog.KindOf(r.Err) {
	case shardlog.Throttled:
		return throughput, overRate(stream, r.Shard).Message
	case shardlog.Full:
		return throughput, explain(&about{stream, r.Err}).Message
	}
	return internalFailure, "Internal service failure."
}
