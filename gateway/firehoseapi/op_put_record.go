package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// PutRecord stores one record, of up to 1,000 KiB, in the stream of a
// DirectPut delivery, and answers once it is durable.
//
// ResourceNotFoundException, InvalidArgumentException (the delivery reads a
// Kinesis stream), ServiceUnavailableException (too fast, or not now).

// maxRecord is how large a record may be.
const maxRecord = 1000 << 10

func recordMember() awsapi.Field {
	return awsapi.Field{Name: "Data", Type: awsapi.Blob, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Longest(maxRecord)}}
}

func putRecordInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), need(structure("Record", recordMember()))}
}

func (a *API) putRecord(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.target(ctx, c.In)
	if err != nil {
		return err
	}
	entry := shardlog.Entry{Key: randomKey(), Data: c.In.Inner("Record").Blob("Data")}
	results, err := a.writer.Put(ctx, stream, []shardlog.Entry{entry})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		if shardlog.KindOf(err) == shardlog.Throttled {
			a.traffic.throttled.Add(1)
		}
		return a.putError(c.In, err)
	}
	a.traffic.records.Add(1)
	a.traffic.bytes.Add(int64(len(entry.Data)))
	c.Out.Open("")
	putRecordID(&c.Out, results[0])
	c.Out.Bool("Encrypted", false)
	c.Out.Close()
	return nil
}
