package kinesisapi

import (
	"context"
	"encoding/json"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// resource is what a ResourceARN names: a stream, or one of its consumers.
type resource struct {
	stream   shardlog.Stream
	consumer *consumer // nil: the stream itself
}

// own is what every resource has of its own.
type own struct {
	Tags   tags   `json:"tags,omitempty"`
	Policy string `json:"policy,omitempty"` // in IAM's language; "": none
}

func resourceARN() awsapi.Field {
	return required(text("ResourceARN", awsapi.Pattern(`arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`), awsapi.Shortest(1), awsapi.Longest(2048)))
}

// findResource is the resource that a request means.
func (a *API) findResource(ctx context.Context, in awsapi.Input) (r resource, err error) {
	text := in.Text("ResourceARN")
	if strings.Contains(text, "/consumer/") {
		stream, one, err := a.consumerByARN(ctx, text)
		return resource{stream, &one}, err
	}
	name, err := identify("", text)
	if err != nil {
		return r, err
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return r, noStream(name)
	}
	return resource{stream: stream}, nil
}

// edit changes what a resource has of its own.
func (a *API) edit(ctx context.Context, r resource, change func(*own) error) error {
	if err := changeable(r.stream.Name); err != nil {
		return err
	}
	if r.consumer == nil {
		return a.set(ctx, r.stream, func(s *settings) error { return change(&s.own) })
	}
	for {
		one, version, err := a.readConsumer(ctx, r.stream, r.consumer.Name)
		if err != nil {
			return err
		}
		if one.Created != r.consumer.Created {
			return noConsumer(r.stream.Name, one.Name)
		}
		if err := change(&one.own); err != nil {
			return err
		}
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		err = a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: consumerKey(r.stream.ID, one.Name), Value: text, Expect: shardlog.At(version)})
		switch {
		case err == nil:
			return nil
		case shardlog.KindOf(err) != shardlog.Conflict:
			return &about{r.stream.Name, err}
		}
	}
}

// ownOf is what a resource has of its own.
func (a *API) ownOf(ctx context.Context, r resource) (own, error) {
	if r.consumer != nil {
		return r.consumer.own, nil
	}
	s, err := a.settingsOf(ctx, r.stream.ID)
	if err != nil {
		return own{}, &about{r.stream.Name, err}
	}
	return s.own, nil
}
