package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UntagResource is RemoveTagsFromStream by ARN.
//
// ResourceNotFoundException.

func untagResourceInput() []awsapi.Field { return []awsapi.Field{tagKeysField(), resourceARN()} }

func (a *API) untagResource(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findResource(c.In)
	if err != nil {
		return err
	}
	return a.set(ctx, stream, func(s *settings) error { s.untag(c.In.List("TagKeys")); return nil })
}
