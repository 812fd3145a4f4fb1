package firehoseapi

import (
	"context"
	"math/rand/v2"
	"strconv"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// target is the stream that records of the request go to.
func (a *API) target(ctx context.Context, in awsapi.Input) (shardlog.StreamName, error) {
	stream := ownStream(in.Text("DeliveryStreamName"))
	if _, there := a.catalog.Stream(stream); there {
		return stream, nil
	}
	d, _, err := a.find(ctx, in)
	if err != nil {
		return "", err
	}
	if !d.Direct {
		return "", invalid("This operation is not permitted on KinesisStreamAsSource delivery stream type.")
	}
	return stream, nil // made meanwhile, or being deleted: Put will say
}

// putError is what a Put came to: the stream may have gone with its delivery.
func (a *API) putError(in awsapi.Input, err error) error {
	if shardlog.KindOf(err) == shardlog.NotFound {
		return noDelivery(in.Text("DeliveryStreamName"))
	}
	return err
}

// randomKey spreads records over the shards: Firehose promises no order.
func randomKey() string { return strconv.FormatUint(uint64(rand.Uint32()), 36) }

// putRecordID appends the id of a stored record: its shard and its place.
func putRecordID(out *awsapi.Reply, r shardlog.Result) {
	out.EndQuote(r.Number.Append(out.Quote("RecordId")))
}
