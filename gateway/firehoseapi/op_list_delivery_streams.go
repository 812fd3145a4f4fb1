package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListDeliveryStreams lists the deliveries by name, those of the configuration
// file too: those behind ExclusiveStartDeliveryStreamName, ten unless Limit
// says otherwise.

const usualListed = 10

func listInput() []awsapi.Field {
	return []awsapi.Field{
		integer("Limit", 1, 10000), text("DeliveryStreamType", awsapi.OneOf(directPut, kinesisSource, "MSKAsSource", "DatabaseAsSource")),
		text("ExclusiveStartDeliveryStreamName", awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(64)),
	}
}

func (a *API) list(ctx context.Context, c *awsapi.Call) error {
	all, err := a.deliveries.List(ctx)
	if err != nil {
		return err
	}
	after, mode, limit := c.In.Text("ExclusiveStartDeliveryStreamName"), c.In.Text("DeliveryStreamType"), c.In.Int("Limit", usualListed)
	var names []string
	for _, d := range all {
		if d.Name > after && (mode == "" || mode == d.mode()) {
			names = append(names, d.Name)
		}
	}
	more := len(names) > limit
	c.Out.Open("")
	c.Out.List("DeliveryStreamNames")
	for _, name := range names[:min(limit, len(names))] {
		c.Out.Text("", name)
	}
	c.Out.EndList()
	c.Out.Bool("HasMoreDeliveryStreams", more)
	c.Out.Close()
	return nil
}
