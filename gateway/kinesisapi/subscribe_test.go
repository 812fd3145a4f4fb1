package kinesisapi_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// fanOut is a stream with one consumer.
type fanOut struct {
	*testing.T
	c        *kinesis.Client
	stream   *string
	consumer *string // ARN
}

func newFanOut(t *testing.T, limits quota.Limits) *fanOut {
	t.Helper()
	h := open(t, limits)
	f := &fanOut{T: t, c: h.client(), stream: aws.String("s")}
	if _, err := f.c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: f.stream, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	out := must[*kinesis.RegisterStreamConsumerOutput](t)(f.c.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String("app")}))
	f.consumer = out.Consumer.ConsumerARN
	return f
}

func (f *fanOut) arn() *string {
	return aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/" + *f.stream)
}

func (f *fanOut) put(from, n int) {
	f.Helper()
	for i := from; i < from+n; i++ {
		if _, err := f.c.PutRecord(f.Context(), &kinesis.PutRecordInput{StreamName: f.stream, PartitionKey: aws.String("k"), Data: fmt.Append(nil, i)}); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *fanOut) subscribe(ctx context.Context, shard string, at *types.StartingPosition) (*kinesis.SubscribeToShardEventStream, error) {
	out, err := f.c.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: f.consumer, ShardId: &shard, StartingPosition: at})
	if err != nil {
		return nil, err
	}
	return out.GetStream(), nil
}

const firstShard = "shardId-000000000000"

var fromHorizon = &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}

// take takes events until so many records have come, and answers them with the
// last event.
func take(t *testing.T, events <-chan types.SubscribeToShardEventStream, n int) (records []string, last types.SubscribeToShardEvent) {
	t.Helper()
	late := time.After(30 * time.Second)
	for len(records) < n {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended after %d of %d records", len(records), n)
			}
			last = e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
			for _, r := range last.Records {
				records = append(records, string(r.Data))
			}
		case <-late:
			t.Fatalf("%d of %d records came", len(records), n)
		}
	}
	return records, last
}

func inOrder(t *testing.T, records []string, from int) {
	t.Helper()
	for i, r := range records {
		if r != fmt.Sprint(from+i) {
			t.Fatalf("record %s at place %d", r, from+i)
		}
	}
}

// TestASubscriptionIsSentWhatIsThereAndWhatComes, and goes on at its
// continuation number with nothing lost or doubled.
func TestASubscriptionIsSentWhatIsThereAndWhatComes(t *testing.T) {
	f := newFanOut(t, quota.Limits{Off: true})
	f.put(0, 20)
	s, err := f.subscribe(t.Context(), firstShard, fromHorizon)
	if err != nil {
		t.Fatal(err)
	}
	records, last := take(t, s.Events(), 20)
	inOrder(t, records, 0)
	f.put(20, 10)
	records, last = take(t, s.Events(), 10)
	inOrder(t, records, 20)
	if aws.ToString(last.ContinuationSequenceNumber) == "" || last.MillisBehindLatest == nil {
		t.Errorf("%+v", last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f.put(30, 5)
	again := &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: last.ContinuationSequenceNumber}
	s = f.later(again)
	records, _ = take(t, s.Events(), 5)
	inOrder(t, records, 30)
	_ = s.Close()
}

// later subscribes as soon as it is let in again.
func (f *fanOut) later(at *types.StartingPosition) *kinesis.SubscribeToShardEventStream {
	f.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(20 * time.Second); ; <-tick.C {
		s, err := f.subscribe(f.Context(), firstShard, at)
		if err == nil {
			return s
		}
		if !refusedAs(err, "ResourceInUseException", "") || time.Now().After(late) {
			f.Fatal(err)
		}
	}
}

// TestASecondSubscription is refused at once, and takes over later.
func TestASecondSubscription(t *testing.T) {
	f := newFanOut(t, quota.Limits{Off: true})
	first, err := f.subscribe(t.Context(), firstShard, fromHorizon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.subscribe(t.Context(), firstShard, fromHorizon); !refusedAs(err, "ResourceInUseException", "") {
		t.Errorf("at once: %v", err)
	}
	second := f.later(fromHorizon)
	ended := time.After(20 * time.Second)
	for open := true; open; {
		select {
		case _, open = <-first.Events():
		case <-ended:
			t.Fatal("the first subscription goes on")
		}
	}
	f.put(0, 3)
	records, _ := take(t, second.Events(), 3)
	inOrder(t, records, 0)
	_ = second.Close()
}

// TestTheEndOfAShard: the last event of a closed shard names the children and
// no place to go on at.
func TestTheEndOfAShard(t *testing.T) {
	f := newFanOut(t, quota.Limits{Off: true})
	f.put(0, 5)
	s, err := f.subscribe(t.Context(), firstShard, fromHorizon)
	if err != nil {
		t.Fatal(err)
	}
	take(t, s.Events(), 5)
	parent := shardsOf(t, f.c, *f.stream)[0]
	if _, err := f.c.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: f.stream, ShardToSplit: parent.ShardId, NewStartingHashKey: halfway(parent)}); err != nil {
		t.Fatal(err)
	}
	var last types.SubscribeToShardEvent
	for e := range s.Events() {
		last = e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if last.ContinuationSequenceNumber != nil || len(last.ChildShards) != 2 || last.ChildShards[0].ParentShards[0] != firstShard {
		t.Errorf("%+v", last)
	}
}

// TestAQuietShardGivesSignsOfLife with a place to go on at.
func TestAQuietShardGivesSignsOfLife(t *testing.T) {
	f := newFanOut(t, quota.Limits{Off: true})
	s, err := f.subscribe(t.Context(), firstShard, &types.StartingPosition{Type: types.ShardIteratorTypeLatest})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		select {
		case e := <-s.Events():
			if last := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value; aws.ToString(last.ContinuationSequenceNumber) == "" || len(last.Records) > 0 {
				t.Errorf("%+v", last)
			}
		case <-time.After(9 * time.Second): // the Java SDK waits for ten
			t.Fatal("no sign of life")
		}
	}
}

// TestConsumers is a consumer's life, and what is refused.
func TestConsumers(t *testing.T) {
	f := newFanOut(t, quota.Limits{Off: true})
	c, ctx := f.c, t.Context()
	_, err := c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String("app")})
	if !refusedAs(err, "ResourceInUseException", "already exists") {
		t.Errorf("twice: %v", err)
	}
	for i := range 19 {
		if _, err := c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String(fmt.Sprintf("more-%02d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String("one-too-many")})
	if !refusedAs(err, "LimitExceededException", "") {
		t.Errorf("the twenty-first: %v", err)
	}
	names := 0
	pages := kinesis.NewListStreamConsumersPaginator(c, &kinesis.ListStreamConsumersInput{StreamARN: f.arn(), MaxResults: aws.Int32(7)})
	for pages.HasMorePages() {
		names += len(must[*kinesis.ListStreamConsumersOutput](t)(pages.NextPage(ctx)).Consumers)
	}
	summary := must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: f.stream}))
	if n := aws.ToInt32(summary.StreamDescriptionSummary.ConsumerCount); names != 20 || n != 20 {
		t.Errorf("%d listed, %d counted", names, n)
	}
	d := must[*kinesis.DescribeStreamConsumerOutput](t)(c.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: f.consumer})).ConsumerDescription
	if *d.ConsumerName != "app" || d.ConsumerStatus != types.ConsumerStatusActive || *d.StreamARN != *f.arn() {
		t.Errorf("%+v", d)
	}
	if _, err := c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: f.stream}); !refusedAs(err, "ResourceInUseException", "has consumers") {
		t.Errorf("a stream with consumers is deleted: %v", err)
	}
	if _, err := c.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{StreamARN: f.arn(), ConsumerName: aws.String("app")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: f.consumer}); !refusedAs(err, "ResourceNotFoundException", "") {
		t.Errorf("a consumer that has gone: %v", err)
	}
	if _, err := f.subscribe(ctx, firstShard, fromHorizon); !refusedAs(err, "ResourceNotFoundException", "") {
		t.Errorf("subscribe: %v", err)
	}
	if _, err := c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: f.stream, EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
}
