package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// AddTagsToStream adds tags, or gives those that are there other values.
//
// ResourceNotFoundException. InvalidArgumentException: more than 50.

func addTagsToStreamInput() []awsapi.Field {
	return []awsapi.Field{streamName(), tagsField(), streamARN()}
}

func (a *API) addTagsToStream(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findToSet(c.In)
	if err != nil {
		return err
	}
	return a.retag(ctx, resource{stream: stream}, func(t tags) (tags, error) { return t.with(c.In.Map("Tags")) })
}
