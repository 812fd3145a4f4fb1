package kinesisapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// GetShardIterator answers a place in a shard from which GetRecords reads:
// at or after a sequence number, at a time, at the oldest record, or behind
// the newest one as of now. Closed shards have places too. Five calls a
// second for each shard.
//
// ResourceNotFoundException, InvalidArgumentException,
// ProvisionedThroughputExceededException, DryRunOperationException.

// The types of iterators.
const (
	atNumber    = "AT_SEQUENCE_NUMBER"
	afterNumber = "AFTER_SEQUENCE_NUMBER"
	atTime      = "AT_TIMESTAMP"
	latest      = "LATEST"
	trimHorizon = "TRIM_HORIZON"
)

func getShardIteratorInput() []awsapi.Field {
	return []awsapi.Field{
		text("ShardId", append([]awsapi.Rule{awsapi.NotNull()}, nameRules()...)...),
		text("ShardIteratorType", awsapi.NotNull(), awsapi.OneOf(afterNumber, latest, atTime, atNumber, trimHorizon)),
		sequenceNumber("StartingSequenceNumber"),
		streamName(), streamARN(), timestamp("Timestamp"), boolean("DryRun"),
	}
}

func (a *API) getShardIterator(ctx context.Context, c *awsapi.Call) error {
	name, err := identify(shardlog.StreamName(c.In.Text("StreamName")), c.In.Text("StreamARN"))
	if err != nil {
		return err
	}
	number, ok := parseShard(c.In.Text("ShardId"))
	if !ok {
		return awsapi.Fail(resourceNotFound, "Could not find shard %s in stream %s under account %s.",
			c.In.Text("ShardId"), name, awsapi.Account)
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return noShard(shardName(number), name)
	}
	shard, ok := stream.Shard(number)
	if !ok {
		return noShard(shardName(number), name)
	}
	if err := a.rates.admitIterator(a.now(), shard.ID); err != nil {
		a.traffic.readsThrottled.Add(1)
		return &about{name, err}
	}
	next, err := a.place(ctx, c.In, name, shard)
	if err != nil {
		return err
	}
	if c.In.Bool("DryRun") {
		return dryRun()
	}
	sealed, err := a.sealIterator(ctx, iterator{shard: shard.ID, next: next, name: name})
	if err != nil {
		return &about{name, err}
	}
	c.Out.Open("")
	c.Out.Text("ShardIterator", sealed)
	c.Out.Close()
	return nil
}

// place is where in the shard the request points to.
func (a *API) place(ctx context.Context, in awsapi.Input, name shardlog.StreamName, shard shardlog.Shard) (shardlog.Seq, error) {
	kind, number := in.Text("ShardIteratorType"), in.Text("StartingSequenceNumber")
	numbered := kind == atNumber || kind == afterNumber
	if numbered != (number != "") && kind != atTime {
		also := "and no StartingSequenceNumber."
		if number != "" {
			also = "and also a StartingSequenceNumber."
		}
		return 0, awsapi.Fail(invalidArgument, "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "+
			"StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s %s", kind, also)
	}
	switch kind {
	case latest:
		return a.placeAtTip(ctx, name, shard)
	case trimHorizon:
		return 0, nil
	case atTime:
		return a.placeAtTime(ctx, in, name, shard)
	}
	return a.placeAtNumber(ctx, kind, number, name, shard)
}

// placeAtTip is behind every record that anybody has been told is stored.
func (a *API) placeAtTip(ctx context.Context, name shardlog.StreamName, shard shardlog.Shard) (shardlog.Seq, error) {
	if a.tip == nil {
		return shard.Next, nil
	}
	next, err := a.tip(ctx, shard.ID)
	if err != nil {
		return 0, &about{name, err}
	}
	return max(next, shard.Next), nil
}

func (a *API) placeAtTime(ctx context.Context, in awsapi.Input, name shardlog.StreamName, shard shardlog.Shard) (shardlog.Seq, error) {
	ms, ok := in.Millis("Timestamp")
	if !ok {
		return 0, awsapi.Fail(invalidArgument, "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. "+
			"Current request has no timestamp parameter.")
	}
	if now := a.now().UnixMilli(); ms > now {
		return 0, awsapi.Fail(invalidArgument, "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", ms, now)
	}
	cursor, err := a.reader.Seek(ctx, shard.ID, time.UnixMilli(ms))
	if err != nil {
		return 0, &about{name, err}
	}
	return cursor.Next, nil
}

// appearWait is how long a sequence number that is not known here may take to
// arrive from the gateway that gave it.
const appearWait = time.Second

// absent is the answer for a record that did not appear here: invalid when the
// site has none such, but only try again while this gateway may be behind.
func (a *API) absent(ctx context.Context, name shardlog.StreamName, shard shardlog.Shard, wanted shardlog.Seq, invalid error) error {
	if a.tip == nil {
		return invalid
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appearWait)
	defer cancel()
	if next, err := a.tip(ctx, shard.ID); err == nil && wanted >= next {
		return invalid
	}
	return &about{name, &shardlog.Error{Kind: shardlog.Unavailable, Op: "find record", Stream: name, Shard: &shard.ID}}
}

func (a *API) placeAtNumber(ctx context.Context, kind, text string, name shardlog.StreamName, shard shardlog.Shard) (shardlog.Seq, error) {
	invalid := func(why string) error {
		return awsapi.Fail(invalidArgument, "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid%s",
			text, shardName(shard.ID.Number), name, awsapi.Account, why)
	}
	number, err := shardlog.ParseSequenceNumber(text)
	if err != nil {
		return 0, invalid(".")
	}
	if number.Shard != shard.ID.Number {
		return 0, awsapi.Fail(invalidArgument, "Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s",
			shardName(number.Shard), shardName(shard.ID.Number))
	}
	if number.Created != shard.Created {
		return 0, invalid(" because it did not come from this stream.")
	}
	if number.Index >= shard.Next {
		if shard.Closed { // such as its ending sequence number
			return shard.Next, nil
		}
		ctx, cancel := context.WithTimeout(ctx, appearWait)
		defer cancel()
		if err := a.reader.Wait(ctx, shard.ID, number.Index); err != nil {
			return 0, a.absent(ctx, name, shard, number.Index, invalid("."))
		}
	}
	if kind == afterNumber {
		return number.Index + 1, nil
	}
	return number.Index, nil
}
