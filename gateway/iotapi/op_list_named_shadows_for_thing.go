package iotapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListNamedShadowsForThing lists the names of a thing's shadows, in order, at
// most pageSize in one answer. The classic shadow has no name.
//
// InvalidRequestException.

func listShadowsInput() []awsapi.Field {
	return []awsapi.Field{thingName(), text("nextToken", awsapi.Longest(256)), integer("pageSize", awsapi.Least(1), awsapi.Most(100))}
}

func (a *API) listShadows(ctx context.Context, c *awsapi.Call) error {
	after, err := openToken(c)
	if err != nil {
		return err
	}
	names, err := a.config.Shadows.List(ctx, c.In.Text("thingName"))
	if err != nil {
		return err
	}
	left, last, more := c.In.Int("pageSize", 25), "", false
	c.Out.Open("")
	c.Out.List("results")
	for _, name := range names {
		if name <= after { // the classic one among them
			continue
		}
		if more = left == 0; more {
			break
		}
		c.Out.Text("", name)
		last = name
		left--
	}
	c.Out.EndList()
	if more {
		c.Out.Text("nextToken", nextToken(last))
	}
	c.Out.Int("timestamp", c.Now.Unix())
	c.Out.Close()
	return nil
}
