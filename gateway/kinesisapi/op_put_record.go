package kinesisapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// PutRecord stores one record and answers its place once it is durable.
// SequenceNumberForOrdering is checked; that the new number exceeds it needs
// nothing more, because the numbers of a shard always grow.
//
// ResourceNotFoundException, InvalidArgumentException,
// ProvisionedThroughputExceededException, DryRunOperationException,
// AccessDeniedException (_names).

func putRecordInput() []awsapi.Field {
	return []awsapi.Field{
		sequenceNumber("SequenceNumberForOrdering"), partitionKey(), explicitHashKey(), data(),
		streamName(), streamARN(), boolean("DryRun"),
	}
}

func (a *API) putRecord(ctx context.Context, c *awsapi.Call) (err error) {
	in, began := c.In, time.Now()
	entry := shardlog.Entry{Key: in.Text("PartitionKey"), Data: in.Blob("Data")}
	stream, err := a.find(in)
	if err != nil {
		return err
	}
	if most := stream.LargestRecord(); entry.Size() > most {
		return tooLarge("data", most)
	}
	if err := changeable(stream.Name); err != nil {
		return err
	}
	placing, err := a.placing(ctx, stream)
	if err != nil {
		return err
	}
	if err := placing.place(&entry, in.Text("ExplicitHashKey"), 0); err != nil {
		return err
	}
	if err := a.checkOrdering(in.Text("SequenceNumberForOrdering"), stream.Name); err != nil {
		return err
	}
	if in.Bool("DryRun") {
		return dryRun()
	}
	meter := a.meters.stream(stream.ID)
	defer func() { meter.took(putRecordLatency, putRecordSuccess, began, err == nil) }()
	results, err := a.writer.Put(ctx, stream.Name, []shardlog.Entry{entry})
	if err != nil {
		return &about{stream.Name, err}
	}
	_, _, bytes := a.measurePut(stream.ID, placing.set, []shardlog.Entry{entry}, results)
	meter.add(putRecordBytes, bytes)
	if err := results[0].Err; shardlog.KindOf(err) == shardlog.Throttled {
		return overRate(stream.Name, results[0].Shard)
	} else if err != nil {
		return &about{stream.Name, err}
	}
	c.Out.Open("")
	putResult(&c.Out, results[0])
	putEncryption(&c.Out, placing.set)
	c.Out.Close()
	return nil
}

// tooLarge refuses a record that is larger than its stream takes; one that is
// larger than any takes has been refused by the model before the stream was
// looked for.
func tooLarge(at string, most int) error {
	return awsapi.Invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: "+
		"Member must have length less than or equal to %d", at, most)
}

func (a *API) checkOrdering(text string, name shardlog.StreamName) error {
	if text == "" {
		return nil
	}
	number, err := shardlog.ParseSequenceNumber(text)
	if err != nil || int64(number.Stamp) > a.now().Unix() {
		return awsapi.Fail(invalidArgument, "ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
			text, name, awsapi.Account)
	}
	return nil
}

// explicitHash reads an ExplicitHashKey, nil for "".
func explicitHash(text string) (*shardlog.Hash, error) {
	if text == "" {
		return nil, nil
	}
	hash, err := shardlog.ParseHash(text)
	if err != nil {
		return nil, awsapi.Fail(invalidArgument, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "+
			"Specified value was %s", text)
	}
	return &hash, nil
}

// putResult appends where a record came to lie.
func putResult(out *awsapi.Reply, r shardlog.Result) {
	out.EndQuote(r.Number.Append(out.Quote("SequenceNumber")))
	out.EndQuote(appendShard(out.Quote("ShardId"), r.Shard.Number))
}
