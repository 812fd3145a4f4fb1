package firehoseapi

import (
	"context"
	"strconv"

	"headgate/gateway/awsapi"
)

// UpdateDestination changes where a delivery goes. For a destination of the
// same type what is not given stays as it is; one of another type must be
// given in full, and OpenSearch stays OpenSearch. What is sealed already is
// sent as it was sealed.
//
// ConcurrentModificationException: CurrentDeliveryStreamVersionId is not the
// present one. InvalidArgumentException, ResourceNotFoundException,
// ResourceInUseException (being deleted).

// destinationID is that of a delivery's only destination.
const destinationID = "destinationId-000000000001"

func updateInput() []awsapi.Field {
	return append([]awsapi.Field{
		deliveryName(), need(text("CurrentDeliveryStreamVersionId", awsapi.Pattern(`[0-9]+`), awsapi.Shortest(1), awsapi.Longest(50))),
		need(text("DestinationId", awsapi.Pattern(`[a-zA-Z0-9-]+`), awsapi.Shortest(1), awsapi.Longest(100))),
	}, destinationMembers(updateSuffix)...)
}

func (a *API) update(ctx context.Context, c *awsapi.Call) error {
	k, in, err := given(c, updateSuffix)
	if err != nil {
		return err
	}
	d, n, err := a.findOurs(ctx, c.In)
	switch {
	case err != nil:
		return err
	case c.In.Text("CurrentDeliveryStreamVersionId") != strconv.Itoa(n.Version):
		return awsapi.Fail(concurrent, "Cannot update firehose: %s since the current version id: %d and specified version id: %s do not match",
			d.Name, n.Version, c.In.Text("CurrentDeliveryStreamVersionId"))
	case c.In.Text("DestinationId") != destinationID:
		return invalid("Destination Id %s not found", c.In.Text("DestinationId"))
	}
	was, _ := kindNamed(n.Kind)
	before := n.Destination
	if k.name == "S3" && was.name == "ExtendedS3" {
		k = was // the older form of the same
	}
	switch {
	case k.name != was.name && was.fixed:
		return invalid("A delivery to %s cannot be changed to another type of destination.", was.name)
	case k.name != was.name:
		before = map[string]any{}
	}
	if in, err = k.merge(before, in); err != nil {
		return err
	}
	n.Version++
	d.Updated = a.now().UTC()
	if err := a.describeTo(k, in, &d, &n); err != nil {
		return err
	}
	if err := a.keep(ctx, d, n); err != nil {
		return err
	}
	empty(c)
	return nil
}

// empty answers an object without members.
func empty(c *awsapi.Call) {
	c.Out.Open("")
	c.Out.Close()
}
