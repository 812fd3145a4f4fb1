package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// RemoveTagsFromStream removes tags. Those that are not there are passed over.
//
// ResourceNotFoundException.

func removeTagsFromStreamInput() []awsapi.Field {
	return []awsapi.Field{streamName(), tagKeysField(), streamARN()}
}

func (a *API) removeTagsFromStream(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	return a.retag(ctx, resource{stream: stream}, func(t tags) (tags, error) { return t.without(c.In.List("TagKeys")), nil })
}
