package kinesisapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// RegisterStreamConsumer makes a consumer, who may then subscribe to shards.
//
// ResourceInUseException: there is one of that name. LimitExceededException:
// a stream has 20 at most. ResourceNotFoundException.

func registerStreamConsumerInput() []awsapi.Field {
	return []awsapi.Field{required(streamARN()), required(consumerName()), newTags()}
}

func (a *API) registerStreamConsumer(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	if err := changeable(stream.Name); err != nil {
		return err
	}
	labels, err := tags{}.with(c.In.Map("Tags"))
	if err != nil {
		return err
	}
	one := consumer{Name: c.In.Text("ConsumerName"), Created: a.now().Unix(), own: own{Tags: labels}}
	if err := a.addConsumer(ctx, stream, one); err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Open("Consumer")
	putConsumer(&c.Out, c.Caller.Region, stream.Name, one)
	c.Out.Close()
	c.Out.Close()
	return nil
}

// registrations is the row that all registrations of a stream change.
func registrations(stream shardlog.StreamID) string { return fmt.Sprintf("consumers/%d", stream) }

// addConsumer adds a consumer where there is room. Registrations of a stream
// change one row by compare and set, so that two at once cannot make one too many.
func (a *API) addConsumer(ctx context.Context, stream shardlog.Stream, one consumer) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	states, guard := a.tokens.states, registrations(stream.ID)
	for {
		_, version, err := states.Get(ctx, space, guard)
		expect := shardlog.At(version)
		switch {
		case shardlog.KindOf(err) == shardlog.NotFound:
			expect = shardlog.Absent()
		case err != nil:
			return &about{stream.Name, err}
		}
		all := a.consumersOf(ctx, stream.ID)
		if slices.ContainsFunc(all, func(c consumer) bool { return c.Name == one.Name }) {
			return awsapi.Fail(resourceInUse, "Consumer %s in stream %s under account %s already exists.", one.Name, stream.Name, awsapi.Account)
		}
		if len(all) >= maxConsumers {
			return awsapi.Fail(limitExceeded, "Stream %s under account %s has %d consumers, which is the most there may be.", stream.Name, awsapi.Account, maxConsumers)
		}
		err = states.Mutate(ctx, shardlog.Mutation{Space: space, Key: guard, Value: []byte(one.Name), Expect: expect},
			shardlog.Mutation{Space: space, Key: consumerKey(stream.ID, one.Name), Value: text, Expect: shardlog.Absent()})
		if err == nil {
			return nil
		}
		if shardlog.KindOf(err) != shardlog.Conflict {
			return &about{stream.Name, err}
		}
	}
}
