package kinesisapi

import (
	"context"
	"encoding/json"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// RegisterStreamConsumer makes a consumer, who may then subscribe to shards.
//
// ResourceInUseException: there is one of that name. LimitExceededException:
// a stream has 20 at most. ResourceNotFoundException.

func registerStreamConsumerInput() []awsapi.Field {
	return []awsapi.Field{required(streamARN()), required(consumerName()), {Name: "Tags", Type: awsapi.Map, Of: &awsapi.Field{Type: awsapi.String}}}
}

func (a *API) registerStreamConsumer(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	if err := changeable(stream.Name); err != nil {
		return err
	}
	one := consumer{Name: c.In.Text("ConsumerName"), Created: a.now().Unix()}
	for name, value := range c.In.Map("Tags") {
		if one.Tags == nil {
			one.Tags = map[string]string{}
		}
		one.Tags[name], _ = value.(string)
	}
	if len(a.consumersOf(ctx, stream.ID)) >= maxConsumers {
		return awsapi.Fail(limitExceeded, "Stream %s under account %s has %d consumers, which is the most there may be.", stream.Name, awsapi.Account, maxConsumers)
	}
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	err = a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: consumerKey(stream.ID, one.Name), Value: text, Expect: shardlog.Absent()})
	if err != nil {
		if shardlog.KindOf(err) == shardlog.Conflict {
			return awsapi.Fail(resourceInUse, "Consumer %s in stream %s under account %s already exists.", one.Name, stream.Name, awsapi.Account)
		}
		return &about{stream.Name, err}
	}
	c.Out.Open("")
	c.Out.Open("Consumer")
	putConsumer(&c.Out, c.Caller.Region, stream.Name, one)
	c.Out.Close()
	c.Out.Close()
	return nil
}
