package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DeleteDeliveryStream has a delivery ended: it is DELETING until the leader
// has stopped it, forgotten how far it got, and deleted the stream that
// DirectPut made. What was not delivered of that stream goes with it, as in
// AWS. AllowForceDelete is about keys of KMS, of which there are none.
//
// ResourceNotFoundException. InvalidArgumentException of one that was not made
// by this API.

func deleteInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), boolean("AllowForceDelete")}
}

func (a *API) delete(ctx context.Context, c *awsapi.Call) error {
	d, err := a.deliveries.Describe(ctx, c.In.Text("DeliveryStreamName"))
	if err == nil && d.Fixed {
		return invalid("%s stands in the gateway's configuration file. Delete it there.", d.Name)
	}
	if err == nil {
		err = a.deliveries.Delete(ctx, d.Name)
	}
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return noDelivery(c.In.Text("DeliveryStreamName"))
	}
	if err != nil {
		return err
	}
	empty(c)
	return nil
}
