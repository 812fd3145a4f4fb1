package kinesisapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// settings is what a stream was told that the log itself need not know: a row
// of small state, by the stream's incarnation.
type settings struct {
	Tags    map[string]string `json:"tags,omitempty"`
	Metrics []string          `json:"metrics,omitempty"` // shard-level ones
}

func settingsKey(stream shardlog.StreamID) string { return fmt.Sprintf("stream/%d", stream) }

// settingsOf are a stream's settings.
func (a *API) settingsOf(ctx context.Context, stream shardlog.StreamID) (s settings, err error) {
	value, _, err := a.tokens.states.Get(ctx, space, settingsKey(stream))
	return readSettings(value, err)
}

func readSettings(value []byte, err error) (s settings, _ error) {
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return s, nil
		}
		return s, err
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return s, shardlog.Errorf(shardlog.Corrupt, "read settings", "%w", err)
	}
	return s, nil
}

// set changes a stream's settings.
func (a *API) set(ctx context.Context, stream shardlog.Stream, edit func(*settings) error) error {
	for {
		value, version, err := a.tokens.states.Get(ctx, space, settingsKey(stream.ID))
		expect := shardlog.At(version)
		if err != nil {
			expect = shardlog.Absent()
		}
		s, err := readSettings(value, err)
		if err != nil {
			return &about{stream.Name, err}
		}
		if err := edit(&s); err != nil {
			return err
		}
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		err = a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: settingsKey(stream.ID), Value: text, Expect: expect})
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			if err != nil {
				return &about{stream.Name, err}
			}
			return nil
		}
	}
}

// findToSet is the stream that a request means, if it may be changed.
func (a *API) findToSet(in awsapi.Input) (shardlog.Stream, error) {
	stream, err := a.find(in)
	if err == nil {
		err = changeable(stream.Name)
	}
	return stream, err
}

// maxTags is how many tags a stream may have.
const maxTags = 50

// tag adds tags.
func (s *settings) tag(more map[string]any) error {
	all := maps.Clone(s.Tags)
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range more {
		text, _ := value.(string)
		if n := len([]rune(key)); n < 1 || n > 128 || len([]rune(text)) > 256 {
			return awsapi.Fail(invalidArgument, "A tag has a key of 1 to 128 characters and a value of at most 256.")
		}
		all[key] = text
	}
	if len(all) > maxTags {
		return awsapi.Fail(invalidArgument, "Failed to add tags: a stream has at most %d tags.", maxTags)
	}
	s.Tags = all
	return nil
}

// untag removes tags; those that are not there are passed over.
func (s *settings) untag(keys []any) {
	for _, key := range keys {
		text, _ := key.(string)
		delete(s.Tags, text)
	}
}

// tagKeys are the keys of the tags, in order.
func (s *settings) tagKeys() []string { return slices.Sorted(maps.Keys(s.Tags)) }

func putTags(out *awsapi.Reply, s settings, keys []string) {
	out.List("Tags")
	for _, key := range keys {
		out.Open("")
		out.Text("Key", key)
		out.Text("Value", s.Tags[key])
		out.Close()
	}
	out.EndList()
}

func tagsField() awsapi.Field {
	return awsapi.Field{Name: "Tags", Type: awsapi.Map, Of: &awsapi.Field{Type: awsapi.String}, Rules: []awsapi.Rule{awsapi.NotNull()}}
}

func tagKeysField() awsapi.Field {
	return awsapi.Field{Name: "TagKeys", Type: awsapi.List, Of: &awsapi.Field{Type: awsapi.String}, Rules: []awsapi.Rule{awsapi.NotNull()}}
}

func resourceARN() awsapi.Field {
	return required(text("ResourceARN", awsapi.Pattern(`arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`), awsapi.Shortest(1), awsapi.Longest(2048)))
}

// findResource is the stream that a ResourceARN names.
func (a *API) findResource(in awsapi.Input) (shardlog.Stream, error) {
	name, err := identify("", in.Text("ResourceARN"))
	if err != nil {
		return shardlog.Stream{}, err
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return stream, noStream(name)
	}
	return stream, nil
}
