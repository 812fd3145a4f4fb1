package firehoseapi

import (
	"context"
	"strconv"

	"headgate/gateway/awsapi"
)

// DescribeDeliveryStream shows a delivery with its one destination. Secrets
// are left out where AWS leaves them out; elsewhere their reference is shown.
// A delivery that was not made by this API has a destination without a
// description: headgate delivery show tells what it is.
//
// ResourceNotFoundException.

func describeInput() []awsapi.Field {
	return []awsapi.Field{deliveryName(), integer("Limit", 1, 10000), text("ExclusiveStartDestinationId", awsapi.Longest(100))}
}

func (a *API) describe(ctx context.Context, c *awsapi.Call) error {
	d, n, err := a.find(ctx, c.In)
	if err != nil {
		return err
	}
	out := &c.Out
	out.Open("")
	out.Open("DeliveryStreamDescription")
	out.Text("DeliveryStreamName", d.Name)
	out.Text("DeliveryStreamARN", arn(c.Caller.Region, d.Name))
	out.Text("DeliveryStreamStatus", d.status())
	out.Text("DeliveryStreamType", d.mode())
	out.Text("VersionId", strconv.Itoa(n.Version))
	if !d.Created.IsZero() {
		out.Time("CreateTimestamp", d.Created)
	}
	if !d.Updated.IsZero() {
		out.Time("LastUpdateTimestamp", d.Updated)
	}
	if d.Direct {
		out.Open("DeliveryStreamEncryptionConfiguration")
		out.Text("Status", "DISABLED")
		out.Close()
	}
	putSource(out, c.Caller.Region, d, n)
	out.List("Destinations")
	if c.In.Text("ExclusiveStartDestinationId") < destinationID {
		putDestination(out, n)
	}
	out.EndList()
	out.Bool("HasMoreDestinations", false)
	out.Close()
	out.Close()
	return nil
}

func (d Delivery) status() string {
	if d.Deleting {
		return "DELETING"
	}
	return "ACTIVE"
}

func (d Delivery) mode() string {
	if d.Direct {
		return directPut
	}
	return kinesisSource
}

func putSource(out *awsapi.Reply, region string, d Delivery, n note) {
	if d.Direct && n.Source == nil {
		return
	}
	out.Open("Source")
	if d.Direct {
		putValue(out, "DirectPutSourceDescription", n.Source)
	} else {
		source := n.Source
		if source == nil {
			source = map[string]any{"KinesisStreamARN": streamARN(region, d.Stream)}
		}
		putValue(out, "KinesisStreamSourceDescription", source)
	}
	out.Close()
}

func putDestination(out *awsapi.Reply, n note) {
	out.Open("")
	out.Text("DestinationId", destinationID)
	if k, ok := kindNamed(n.Kind); ok {
		putValue(out, k.name+descriptionSuffix, k.described(n.Destination))
		if k.name == "ExtendedS3" {
			putValue(out, "S3"+descriptionSuffix, s3View(n.Destination))
		}
	}
	out.Close()
}
