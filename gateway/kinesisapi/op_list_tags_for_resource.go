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
	own, err := a.ownOf(ctx, r)
	if err != nil {
		return err
	}
	c.Out.Open("")
	putTags(&c.Out, own.Tags, own.Tags.keys())
	c.Out.Close()
	return nil
}
