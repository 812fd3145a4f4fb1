package kinesisapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// maxTags is how many tags a stream or a consumer may have.
const maxTags = 50

// tags are what a stream or a consumer is labelled with. Changes make a new
// map: the old one may be somebody's.
type tags map[string]string

// with is the tags and more of them.
func (t tags) with(more map[string]any) (tags, error) {
	all := tags{}
	maps.Copy(all, t)
	for key, value := range more {
		text, _ := value.(string)
		if n := len([]rune(key)); n < 1 || n > 128 || len([]rune(text)) > 256 {
			return nil, awsapi.Fail(invalidArgument, "A tag has a key of 1 to 128 characters and a value of at most 256.")
		}
		all[key] = text
	}
	if len(all) > maxTags {
		return nil, awsapi.Fail(invalidArgument, "Failed to add tags: there may be %d of them at most.", maxTags)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// without is the tags less those of these keys; keys that are not there are
// passed over.
func (t tags) without(keys []any) tags {
	left := maps.Clone(t)
	for _, key := range keys {
		text, _ := key.(string)
		delete(left, text)
	}
	return left
}

// keys are the tags' keys, in order.
func (t tags) keys() []string { return slices.Sorted(maps.Keys(t)) }

func putTags(out *awsapi.Reply, t tags, keys []string) {
	out.List("Tags")
	for _, key := range keys {
		out.Open("")
		out.Text("Key", key)
		out.Text("Value", t[key])
		out.Close()
	}
	out.EndList()
}

func newTags() awsapi.Field {
	return awsapi.Field{Name: "Tags", Type: awsapi.Map, Of: &awsapi.Field{Type: awsapi.String}}
}

func tagsField() awsapi.Field { return required(newTags()) }

func tagKeysField() awsapi.Field {
	return awsapi.Field{Name: "TagKeys", Type: awsapi.List, Of: &awsapi.Field{Type: awsapi.String}, Rules: []awsapi.Rule{awsapi.NotNull()}}
}

func resourceARN() awsapi.Field {
	return required(text("ResourceARN", awsapi.Pattern(`arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`), awsapi.Shortest(1), awsapi.Longest(2048)))
}

// resource is what a ResourceARN names: a stream, or one of its consumers.
type resource struct {
	stream   shardlog.Stream
	consumer *consumer // nil: the stream itself
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

// retag changes a resource's tags.
func (a *API) retag(ctx context.Context, r resource, edit func(tags) (tags, error)) error {
	if err := changeable(r.stream.Name); err != nil {
		return err
	}
	if r.consumer == nil {
		return a.set(ctx, r.stream, func(s *settings) (err error) {
			s.Tags, err = edit(s.Tags)
			return err
		})
	}
	for {
		one, version, err := a.readConsumer(ctx, r.stream, r.consumer.Name)
		if err != nil {
			return err
		}
		if one.Created != r.consumer.Created {
			return noConsumer(r.stream.Name, one.Name)
		}
		if one.Tags, err = edit(one.Tags); err != nil {
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

// tagsOf are a resource's tags.
func (a *API) tagsOf(ctx context.Context, r resource) (tags, error) {
	if r.consumer != nil {
		return r.consumer.Tags, nil
	}
	s, err := a.settingsOf(ctx, r.stream.ID)
	if err != nil {
		return nil, &about{r.stream.Name, err}
	}
	return s.Tags, nil
}
