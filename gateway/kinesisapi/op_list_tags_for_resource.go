package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListTagsForResource lists the tags of a stream or a consumer, by ARN.
//
// ResourceNotFoundException.

func listTagsForResourceInput() []awsapi.Field { return []awsapi.Field{resourceARN()} }

func (a *API) listTagsForResource(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	t, err := a.tagsOf(ctx, r)
	if err != nil {
		return err
	}
	c.Out.Open("")
	putTags(&c.Out, t, t.keys())
	c.Out.Close()
	return nil
}
