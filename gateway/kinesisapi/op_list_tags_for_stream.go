package kinesisapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// ListTagsForStream lists tags by key, 50 at most.
//
// ResourceNotFoundException.

func listTagsForStreamInput() []awsapi.Field {
	return []awsapi.Field{streamName(), text("ExclusiveStartTagKey", awsapi.Shortest(1), awsapi.Longest(128)), integer("Limit", awsapi.Least(1), awsapi.Most(maxTags)), streamARN()}
}

func (a *API) listTagsForStream(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	s, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	keys := s.Tags.keys()
	if after := c.In.Text("ExclusiveStartTagKey"); after != "" {
		keys = slices.DeleteFunc(keys, func(k string) bool { return k <= after })
	}
	n := min(len(keys), c.In.Int("Limit", maxTags))
	c.Out.Open("")
	putTags(&c.Out, s.Tags, keys[:n])
	c.Out.Bool("HasMoreTags", n < len(keys))
	c.Out.Close()
	return nil
}
