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
	return a.set(ctx, stream, func(s *settings) error { s.untag(c.In.List("TagKeys")); return nil })
}
