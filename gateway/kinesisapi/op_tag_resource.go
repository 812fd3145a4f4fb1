package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// TagResource is AddTagsToStream by ARN, for streams and consumers.
//
// ResourceNotFoundException. InvalidArgumentException: more than 50, or no
// stream's ARN.

func tagResourceInput() []awsapi.Field { return []awsapi.Field{tagsField(), resourceARN()} }

func (a *API) tagResource(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	return a.retag(ctx, r, func(t tags) (tags, error) { return t.with(c.In.Map("Tags")) })
}
