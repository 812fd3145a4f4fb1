package kinesisapi

import (
	"context"
	"errors"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// SubscribeToShard sends a consumer what comes to a shard, as events, for five
// minutes: at once what is there, then what comes, and every five seconds a
// sign of life. 2 MiB a second for each consumer and shard. At the end of a
// closed shard the last event has ChildShards and no ContinuationSequenceNumber.
//
// A second subscription of the same consumer and shard is refused with
// ResourceInUseException for five seconds, and then takes the first one's place.
// ResourceNotFoundException, InvalidArgumentException, DryRunOperationException.

func subscribeToShardInput() []awsapi.Field {
	return []awsapi.Field{
		required(consumerARNField()),
		required(text("ShardId", nameRules()...)),
		{Name: "StartingPosition", Type: awsapi.Structure, Rules: []awsapi.Rule{awsapi.NotNull()}, Fields: []awsapi.Field{
			text("Type", awsapi.NotNull(), awsapi.OneOf(afterNumber, latest, atTime, atNumber, trimHorizon)),
			sequenceNumber("SequenceNumber"), timestamp("Timestamp"),
		}},
		boolean("DryRun"),
	}
}

// Times of a subscription.
const (
	subscribedFor = 5 * time.Minute
	signOfLife    = 5 * time.Second
)

// Bounds of one event.
const (
	eventBytes   = 1 << 20
	eventRecords = 5000
	// eventMemory is about what an event takes: records, their JSON, the frame.
	eventMemory = 4 * eventBytes
)

func (a *API) subscribeToShard(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
	stream, one, err := a.findConsumer(ctx, c.In)
	if err != nil {
		return err
	}
	number, ok := parseShard(c.In.Text("ShardId"))
	shard, there := stream.Shard(number)
	if !ok || !there {
		return noShard(c.In.Text("ShardId"), stream.Name)
	}
	next, err := a.startingPosition(ctx, c.In.Inner("StartingPosition"), stream.Name, shard)
	if err != nil {
		return err
	}
	if c.In.Bool("DryRun") {
		return dryRun()
	}
	set, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	meter := a.meters.of(subject{stream: stream.ID, consumer: one.Name})
	own, leave, ok := a.subscriptions.take(ctx, subscribed{shard.ID, one.Name}, a.now())
	meter.add(subscribeExceeded, onlyIf(!ok))
	meter.add(subscribeSuccess, onlyIf(ok))
	if !ok {
		return awsapi.Fail(resourceInUse, "Another active subscription exists for this consumer: %s", c.In.Text("ConsumerARN"))
	}
	defer leave()
	events, err := f.Events()
	if err != nil {
		return err
	}
	own, stop := context.WithTimeout(own, subscribedFor)
	defer stop()
	p := pusher{api: a, call: c, events: events, shard: shard, name: stream.Name, next: next,
		meter: meter, shardMeter: a.meters.shard(shard.ID, set)}
	err = p.run(own)
	if own.Err() != nil || ctx.Err() != nil {
		return nil // its time is over, another took its place, or the client has gone
	}
	var known *awsapi.Error
	if err != nil && !errors.As(err, &known) {
		known = explain(err)
	}
	if known != nil {
		return events.Fail(known)
	}
	return err
}

// startingPosition is where a subscription begins.
func (a *API) startingPosition(ctx context.Context, in awsapi.Input, name shardlog.StreamName, shard shardlog.Shard) (shardlog.Seq, error) {
	kind, number := in.Text("Type"), in.Text("SequenceNumber")
	switch kind {
	case latest:
		return a.placeAtTip(ctx, name, shard)
	case trimHorizon:
		return 0, nil
	case atTime:
		return a.placeAtTime(ctx, in, name, shard)
	}
	if number == "" {
		return 0, awsapi.Fail(invalidArgument, "SequenceNumber must be given for a starting position of type %s.", kind)
	}
	return a.placeAtNumber(ctx, kind, number, name, shard)
}

// pusher sends a shard's records to one consumer.
type pusher struct {
	api    *API
	call   *awsapi.Call
	events *awsapi.EventStreams
	shard  shardlog.Shard
	name   shardlog.StreamName
	next   shardlog.Seq
	free   time.Time // when the next may be sent: its rate, and everybody's pace
	sent   time.Time // the latest event

	meter, shardMeter *meter // of the consumer, of the shard
}

// run sends until ctx or the shard ends.
func (p *pusher) run(ctx context.Context) error {
	for {
		if err := pauseUntil(ctx, p.free); err != nil {
			return err
		}
		e, err := p.step(ctx)
		if err != nil || e.end {
			return err
		}
		for idle := e.tip; idle; {
			if idle, err = p.wait(ctx); err == nil && idle {
				err = p.send(p.sign())
			}
			if err != nil {
				return err
			}
		}
	}
}

// step sends the event that begins where the one before ended. It holds memory
// only meanwhile: those who wait for records, which is most of five minutes,
// take none from the others.
func (p *pusher) step(ctx context.Context) (*event, error) {
	e, err := p.api.events.at(ctx, place{p.shard.ID, p.next}, func() (*event, error) { return p.read(ctx) })
	if err != nil {
		return nil, err
	}
	p.next = e.next
	if e.frame == nil {
		return e, nil
	}
	memory := int64(len(e.frame))
	if err := p.call.Hold(ctx, memory); err != nil {
		return nil, err
	}
	defer p.call.Release(memory)
	return e, p.send(e)
}

// read makes the next event.
func (p *pusher) read(ctx context.Context) (*event, error) {
	if err := p.call.Hold(ctx, eventMemory); err != nil {
		return nil, err
	}
	defer p.call.Release(eventMemory)
	page, err := p.api.reader.Read(ctx, p.shard.ID, shardlog.Cursor{Next: p.next}, shardlog.Budget{Records: eventRecords, Bytes: eventBytes})
	if err != nil {
		return nil, &about{p.name, err}
	}
	if more := largeEvent(page.Records); more > 0 {
		if err := p.call.Hold(ctx, more); err != nil {
			return nil, err
		}
		defer p.call.Release(more)
	}
	return p.event(page), nil
}

// largeEvent is the memory that a record larger than an event takes besides
// eventMemory. It makes an event of its own.
func largeEvent(records []shardlog.Record) int64 {
	if len(records) != 1 {
		return 0
	}
	return max(0, int64(records[0].Size()-eventBytes)) * eventMemory / eventBytes
}

// sign is a sign of life. It reads nothing and holds no memory: thousands of
// idle subscriptions send one every five seconds.
func (p *pusher) sign() *event {
	return p.event(shardlog.Page{Next: shardlog.Cursor{Next: p.next}, Tip: true})
}

// wait returns when there is something to read; with idle, when there is
// nothing, but a sign of life is due.
func (p *pusher) wait(ctx context.Context) (idle bool, err error) {
	short, stop := context.WithDeadline(ctx, p.sent.Add(signOfLife))
	defer stop()
	err = p.api.reader.Wait(short, p.shard.ID, max(1, p.next))
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() == nil && short.Err() != nil:
		return true, nil
	}
	return false, &about{p.name, err}
}

// event makes an event of a page. An empty one says something only when a
// sign of life is due.
func (p *pusher) event(page shardlog.Page) *event {
	e := &event{behind: page.Behind, next: page.Next.Next, tip: page.Tip, end: page.End, records: len(page.Records)}
	if e.records == 0 && !e.end && time.Since(p.sent) < signOfLife {
		return e
	}
	for i := range page.Records {
		e.bytes += page.Records[i].Size()
	}
	out := &awsapi.Reply{}
	out.Grow(e.bytes*4/3 + e.records*recordOverhead + 512)
	out.Open("")
	putRecords(out, p.shard, page.Records)
	if !page.End {
		out.EndQuote(p.position(page).Append(out.Quote("ContinuationSequenceNumber")))
	}
	out.Int("MillisBehindLatest", page.Behind.Milliseconds())
	if page.End {
		stream, _ := p.api.catalog.StreamByID(p.shard.ID.Stream)
		putChildren(out, stream, p.shard.ID.Number)
	}
	out.Close()
	e.frame = awsapi.EventFrame("SubscribeToShardEvent", out)
	return e
}

// position is the number behind which a later subscription goes on.
func (p *pusher) position(page shardlog.Page) shardlog.SequenceNumber {
	if n := len(page.Records); n > 0 {
		return p.shard.Number(page.Records[n-1].Seq, page.Records[n-1].Arrived)
	}
	if next := page.Next.Next; next > 1 {
		return p.shard.Number(next-1, p.api.now())
	}
	return p.shard.First()
}

func (p *pusher) send(e *event) error {
	p.sent = time.Now()
	p.free = later(later(p.free, p.sent).Add(p.api.rates.pushTime(e.bytes)), p.api.pace.turn(p.sent))
	p.api.traffic.recordsOut.Add(int64(e.records))
	p.api.traffic.bytesOut.Add(int64(e.bytes))
	p.api.traffic.events.Add(1)
	err := p.events.Send(e.frame)
	p.measureEvent(e, err)
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pauseUntil waits for a moment, or answers why not.
func pauseUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
