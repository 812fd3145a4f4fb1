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
	Name    string            `json:"name"`
	Created int64             `json:"created"` // Unix seconds, part of its ARN
	Tags    map[string]string `json:"tags,omitempty"`
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
	name, streamARN, created := in.Text("ConsumerName"), in.Text("StreamARN"), int64(0)
	if byARN := in.Text("ConsumerARN"); byARN != "" {
		of, rest, ok := strings.Cut(byARN, "/consumer/")
		n, number, numbered := strings.Cut(rest, ":")
		seconds, err := strconv.ParseInt(number, 10, 64)
		if !ok || !numbered || err != nil {
			return shardlog.Stream{}, consumer{}, awsapi.Fail(invalidArgument, "Invalid ConsumerARN: %s", byARN)
		}
		name, streamARN, created = n, of, seconds
	}
	if name == "" || streamARN == "" {
		return shardlog.Stream{}, consumer{}, awsapi.Fail(invalidArgument, "Either ConsumerARN or both of StreamARN and ConsumerName must be provided.")
	}
	streamName, err := identify("", streamARN)
	if err != nil {
		return shardlog.Stream{}, consumer{}, err
	}
	stream, ok := a.catalog.Stream(streamName)
	if !ok {
		return stream, consumer{}, noStream(streamName)
	}
	value, _, err := a.tokens.states.Get(ctx, space, consumerKey(stream.ID, name))
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return stream, consumer{}, noConsumer(streamName, name)
		}
		return stream, consumer{}, &about{streamName, err}
	}
	var c consumer
	if err := json.Unmarshal(value, &c); err != nil {
		return stream, c, shardlog.Errorf(shardlog.Corrupt, "read consumer", "%w", err)
	}
	if created != 0 && created != c.Created {
		return stream, c, noConsumer(streamName, name) // another of that name
	}
	return stream, c, nil
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
