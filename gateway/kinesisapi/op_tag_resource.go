package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// TagResource is AddTagsToStream by ARN.
//
// ResourceNotFoundException. InvalidArgumentException: more than 50, or no
// stream's ARN.

func tagResourceInput() []awsapi.Field { return []awsapi.Field{tagsField(), resourceARN()} }

func (a *API) tagResource(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findResource(c.In)
	if err != nil {
		return err
	}
	return a.set(ctx, stream, func(s *settings) error { return s.tag(c.In.Map("Tags")) })
}
