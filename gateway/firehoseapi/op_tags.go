package firehoseapi

import (
	"context"
	"slices"
	"strings"

	"headgate/gateway/awsapi"
)

// TagDeliveryStream, UntagDeliveryStream and ListTagsForDeliveryStream keep up
// to 50 tags with a delivery, by key. Nothing here acts on them.
//
// ResourceNotFoundException, LimitExceededException, ResourceInUseException,
// InvalidArgumentException (keys that begin with aws:).

func tagInput() []awsapi.Field { return []awsapi.Field{deliveryName(), need(tagList())} }

func (a *API) tag(ctx context.Context, c *awsapi.Call) error {
	d, n, err := a.findOurs(ctx, c.In)
	if err != nil {
		return err
	}
	if n.Tags, err = withTags(n.Tags, c.In.List("Tags")); err != nil {
		return err
	}
	if err := a.keep(ctx, d, n); err != nil {
		return err
	}
	empty(c)
	return nil
}

// withTags is tags with more laid over them, by key.
func withTags(tags []tag, more []any) ([]tag, error) {
	tags = slices.Clone(tags)
	for _, one := range more {
		in, _ := one.(awsapi.Input)
		t := tag{in.Text("Key"), in.Text("Value")}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, invalid("Tag keys that begin with aws: are AWS's own: %s", t.Key)
		}
		at, found := slices.BinarySearchFunc(tags, t.Key, func(t tag, key string) int { return strings.Compare(t.Key, key) })
		if found {
			tags[at] = t
		} else {
			tags = slices.Insert(tags, at, t)
		}
	}
	if len(tags) > maxTags {
		return nil, awsapi.Fail(limitExceeded, "A delivery stream has at most %d tags.", maxTags)
	}
	return tags, nil
}

func untagInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), need(list("TagKeys", text("", tagKey()...), awsapi.Shortest(1), awsapi.Longest(maxTags)))}
}

func (a *API) untag(ctx context.Context, c *awsapi.Call) error {
	d, n, err := a.findOurs(ctx, c.In)
	if err != nil {
		return err
	}
	keys := c.In.List("TagKeys")
	n.Tags = slices.DeleteFunc(n.Tags, func(t tag) bool { return slices.Contains(keys, any(t.Key)) })
	if err := a.keep(ctx, d, n); err != nil {
		return err
	}
	empty(c)
	return nil
}

func listTagsInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), text("ExclusiveStartTagKey", tagKey()...), integer("Limit", 1, maxTags)}
}

func (a *API) listTags(ctx context.Context, c *awsapi.Call) error {
	_, n, err := a.find(ctx, c.In)
	if err != nil {
		return err
	}
	tags := slices.DeleteFunc(n.Tags, func(t tag) bool { return t.Key <= c.In.Text("ExclusiveStartTagKey") })
	limit := c.In.Int("Limit", maxTags)
	c.Out.Open("")
	c.Out.List("Tags")
	for _, t := range tags[:min(limit, len(tags))] {
		c.Out.Open("")
		c.Out.Text("Key", t.Key)
		c.Out.Text("Value", t.Value)
		c.Out.Close()
	}
	c.Out.EndList()
	c.Out.Bool("HasMoreTags", len(tags) > limit)
	c.Out.Close()
	return nil
}
