package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListStreamConsumers lists a stream's consumers by name, 100 a page.
//
// ResourceNotFoundException, ExpiredNextTokenException, InvalidArgumentException.

const consumersPurpose = "stream consumers"

func listStreamConsumersInput() []awsapi.Field {
	return []awsapi.Field{required(streamARN()), nextToken(), limit("MaxResults"), timestamp("StreamCreationTimestamp")}
}

func (a *API) listStreamConsumers(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	after := ""
	if c.In.Has("NextToken") {
		content, err := a.openPage(ctx, consumersPurpose, c.In.Text("NextToken"))
		if err != nil {
			return err
		}
		after = string(content)
	}
	var page []consumer
	for _, one := range a.consumersOf(ctx, stream.ID) {
		if one.Name > after {
			page = append(page, one)
		}
	}
	next := ""
	if n := min(c.In.Int("MaxResults", maxListed), maxListed); len(page) > n {
		page = page[:n]
		if next, err = a.tokens.seal(ctx, consumersPurpose, []byte(page[n-1].Name)); err != nil {
			return err
		}
	}
	c.Out.Open("")
	c.Out.List("Consumers")
	for _, one := range page {
		c.Out.Open("")
		putConsumer(&c.Out, c.Caller.Region, stream.Name, one)
		c.Out.Close()
	}
	c.Out.EndList()
	if next != "" {
		c.Out.Text("NextToken", next)
	}
	c.Out.Close()
	return nil
}
