package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListTagsForResource lists a stream's tags by ARN.
//
// ResourceNotFoundException.

func listTagsForResourceInput() []awsapi.Field { return []awsapi.Field{resourceARN()} }

func (a *API) listTagsForResource(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.findResource(c.In)
	if err != nil {
		return err
	}
	s, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	c.Out.Open("")
	putTags(&c.Out, s, s.tagKeys())
	c.Out.Close()
	return nil
}
