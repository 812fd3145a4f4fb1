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
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	return a.retag(ctx, r, func(t tags) (tags, error) { return t.without(c.In.List("TagKeys")), nil })
}
