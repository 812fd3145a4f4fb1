package kinesisapi

import (
	"context"
	"maps"
	"slices"

	"headgate/gateway/awsapi"
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

// retag changes a resource's tags.
func (a *API) retag(ctx context.Context, r resource, change func(tags) (tags, error)) error {
	return a.edit(ctx, r, func(own *own) (err error) {
		own.Tags, err = change(own.Tags)
		return err
	})
}
