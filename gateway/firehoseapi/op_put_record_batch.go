package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// PutRecordBatch stores up to 500 records of 4 MiB together. It may store some
// and not others: FailedPutCount says how many were not, and each of them has
// an ErrorCode in its place.
//
// ResourceNotFoundException, InvalidArgumentException, ServiceUnavailableException.

const (
	maxBatch      = 500
	maxBatchBytes = 4 << 20
)

func putBatchInput() []awsapi.Field {
	records := list("Records", structure("", recordMember()), awsapi.NotNull(), awsapi.Shortest(1), awsapi.Longest(maxBatch))
	records.Of.Label = "Record"
	return []awsapi.Field{deliveryName(), records}
}

func (a *API) putBatch(ctx context.Context, c *awsapi.Call) error {
	records := c.In.List("Records")
	entries, size := make([]shardlog.Entry, 0, len(records)), 0
	for _, one := range records {
		in, _ := one.(awsapi.Input)
		if in == nil {
			return invalid("A record is null.")
		}
		entries = append(entries, shardlog.Entry{Key: randomKey(), Data: in.Blob("Data")})
		size += len(in.Blob("Data"))
	}
	if size > maxBatchBytes {
		return invalid("Records size exceeds 4 MB limit")
	}
	stream, err := a.target(ctx, c.In)
	if err != nil {
		return err
	}
	results, err := a.writer.Put(ctx, stream, entries)
	if err != nil {
		return a.putError(c.In, err)
	}
	a.answerBatch(&c.Out, entries, results)
	return nil
}

// answerBatch appends what became of each record.
func (a *API) answerBatch(out *awsapi.Reply, entries []shardlog.Entry, results []shardlog.Result) {
	failed := int64(0)
	out.Open("")
	out.List("RequestResponses")
	for i := range results {
		out.Open("")
		if err := results[i].Err; err != nil {
			failed++
			why := explain(err)
			if shardlog.KindOf(err) == shardlog.Throttled {
				a.traffic.throttled.Add(1)
			}
			out.Text("ErrorCode", why.Code)
			out.Text("ErrorMessage", why.Message)
		} else {
			a.traffic.records.Add(1)
			a.traffic.bytes.Add(int64(len(entries[i].Data)))
			putRecordID(out, results[i])
		}
		out.Close()
	}
	out.EndList()
	out.Int("FailedPutCount", failed)
	out.Bool("Encrypted", false)
	out.Close()
}
