package kinesisapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// maxConsumers is how many consumers a stream may have.
const maxConsumers = 20

// consumer is somebody who has registered to be sent what comes to a stream:
// a row of small state, by the stream's incarnation and the name.
type consumer struct {
	Name    string `json:"name"`
	Created int64  `json:"created"` // Unix seconds, part of its ARN
	own
}

func consumerKey(stream shardlog.StreamID, name string) string {
	return fmt.Sprintf("consumer/%d/%s", stream, name)
}

func consumerARN(region string, stream shardlog.StreamName, c consumer) string {
	return arn(region, stream) + "/consumer/" + c.Name + ":" + strconv.FormatInt(c.Created, 10)
}

// consumersOf are a stream's consumers, by name.
func (a *API) consumersOf(ctx context.Context, stream shardlog.StreamID) (all []consumer) {
	for _, value := range a.tokens.states.List(ctx, space, consumerKey(stream, "")) {
		var c consumer
		if json.Unmarshal(value, &c) == nil {
			all = append(all, c)
		}
	}
	return all
}

// findConsumer is the consumer that a request means, by ConsumerARN, or by
// StreamARN and ConsumerName.
func (a *API) findConsumer(ctx context.Context, in awsapi.Input) (shardlog.Stream, consumer, error) {
	if text := in.Text("ConsumerARN"); text != "" {
		return a.consumerByARN(ctx, text)
	}
	name, streamARN := in.Text("ConsumerName"), in.Text("StreamARN")
	if name == "" || streamARN == "" {
		return shardlog.Stream{}, consumer{}, awsapi.Fail(invalidArgument, "Either ConsumerARN or both of StreamARN and ConsumerName must be provided.")
	}
	return a.consumerOf(ctx, streamARN, name)
}

// consumerByARN is the consumer of an ARN, and not another of its name.
func (a *API) consumerByARN(ctx context.Context, text string) (shardlog.Stream, consumer, error) {
	streamARN, rest, ok := strings.Cut(text, "/consumer/")
	name, number, numbered := strings.Cut(rest, ":")
	created, err := strconv.ParseInt(number, 10, 64)
	if !ok || !numbered || err != nil {
		return shardlog.Stream{}, consumer{}, awsapi.Fail(invalidArgument, "Invalid ConsumerARN: %s", text)
	}
	stream, one, err := a.consumerOf(ctx, streamARN, name)
	if err == nil && one.Created != created {
		err = noConsumer(stream.Name, name)
	}
	return stream, one, err
}

func (a *API) consumerOf(ctx context.Context, streamARN, name string) (shardlog.Stream, consumer, error) {
	streamName, err := identify("", streamARN)
	if err != nil {
		return shardlog.Stream{}, consumer{}, err
	}
	stream, ok := a.catalog.Stream(streamName)
	if !ok {
		return stream, consumer{}, noStream(streamName)
	}
	one, _, err := a.readConsumer(ctx, stream, name)
	return stream, one, err
}

func (a *API) readConsumer(ctx context.Context, stream shardlog.Stream, name string) (c consumer, v shardlog.Version, err error) {
	value, v, err := a.tokens.states.Get(ctx, space, consumerKey(stream.ID, name))
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return c, v, noConsumer(stream.Name, name)
		}
		return c, v, &about{stream.Name, err}
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, v, shardlog.Errorf(shardlog.Corrupt, "read consumer", "%w", err)
	}
	return c, v, nil
}

func noConsumer(stream shardlog.StreamName, name string) error {
	return awsapi.Fail(resourceNotFound, "Consumer %s in stream %s under account %s not found.", name, stream, awsapi.Account)
}

// putConsumer appends what describes a consumer: it is there at once.
func putConsumer(out *awsapi.Reply, region string, stream shardlog.StreamName, c consumer) {
	out.Text("ConsumerName", c.Name)
	out.Text("ConsumerARN", consumerARN(region, stream, c))
	out.Text("ConsumerStatus", "ACTIVE")
	out.Time("ConsumerCreationTimestamp", time.Unix(c.Created, 0))
}

func consumerName() awsapi.Field { return text("ConsumerName", nameRules()...) }

func consumerARNField() awsapi.Field {
	return text("ConsumerARN", awsapi.Pattern(`^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`), awsapi.Shortest(1), awsapi.Longest(2048))
}
