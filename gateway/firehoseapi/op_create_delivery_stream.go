package firehoseapi

import (
	"context"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateDeliveryStream makes a delivery, which is ACTIVE when the call
// returns. DirectPut makes it a stream of its own; KinesisStreamAsSource reads
// a stream from its newest record on.
//
// Roles are stored and returned, and not used: buckets are written to with the
// keys that the configuration file names under aws. Secrets must be references.
//
// ResourceInUseException: there is such a delivery. ResourceNotFoundException:
// no such Kinesis stream. InvalidArgumentException: what this gateway does not
// have, by name. LimitExceededException: more than 50 tags.

func createInput() []awsapi.Field {
	fields := []awsapi.Field{
		deliveryName(),
		text("DeliveryStreamType", awsapi.OneOf(directPut, kinesisSource, "MSKAsSource", "DatabaseAsSource")),
		structure("DirectPutSourceConfiguration", need(integer("ThroughputHintInMBs", 1, 100))),
		structure("KinesisStreamSourceConfiguration",
			need(text("KinesisStreamARN", awsapi.Pattern(`arn:.*:kinesis:[a-zA-Z0-9\-]+:\d{12}:stream/[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(512))), need(role("RoleARN"))),
		opaque("MSKSourceConfiguration"), opaque("DatabaseSourceConfiguration"),
		encryptionInput("DeliveryStreamEncryptionConfigurationInput"), tagList(),
	}
	return append(fields, destinationMembers(configurationSuffix)...)
}

func (a *API) create(ctx context.Context, c *awsapi.Call) error {
	name := c.In.Text("DeliveryStreamName")
	if c.In.Has("DeliveryStreamEncryptionConfigurationInput") {
		return refused("DeliveryStreamEncryptionConfigurationInput", noEncryption)
	}
	k, in, err := given(c, configurationSuffix)
	if err != nil {
		return err
	}
	d := Delivery{Name: name, Created: a.now().UTC()}
	n := note{Kind: k.name, Version: 1}
	if err := a.source(c.In, &d, &n); err != nil {
		return err
	}
	if n.Tags, err = withTags(nil, c.In.List("Tags")); err != nil {
		return err
	}
	if err := a.describeTo(k, in, &d, &n); err != nil {
		return err
	}
	if d.Note, err = n.encode(); err != nil {
		return err
	}
	if err := a.deliveries.Create(ctx, d); err != nil {
		if shardlog.KindOf(err) == shardlog.InUse {
			return awsapi.Fail(resourceInUse, "Firehose %s under account %s already exists.", name, awsapi.Account)
		}
		return err
	}
	c.Out.Open("")
	c.Out.Text("DeliveryStreamARN", arn(c.Caller.Region, name))
	c.Out.Close()
	return nil
}

// describeTo writes a destination into the delivery's document and note.
func (a *API) describeTo(k kind, in awsapi.Input, d *Delivery, n *note) (err error) {
	doc := document{Name: d.Name, Stream: string(d.Stream)}
	if !d.Direct {
		doc.Start = "newest"
	}
	if err := k.complete(in, &doc); err != nil {
		return err
	}
	n.Kind, n.Destination = k.name, plain(in)
	d.Document, err = doc.encode()
	return err
}

// source finds out what the delivery delivers.
func (a *API) source(in awsapi.Input, d *Delivery, n *note) (err error) {
	kinesis := in.Inner("KinesisStreamSourceConfiguration")
	switch mode := in.Text("DeliveryStreamType"); {
	case mode == "MSKAsSource" || mode == "DatabaseAsSource":
		return refused("DeliveryStreamType "+mode, "DirectPut and KinesisStreamAsSource are what there is")
	case in.Has("MSKSourceConfiguration"):
		return refused("MSKSourceConfiguration", "DirectPut and KinesisStreamAsSource are what there is")
	case in.Has("DatabaseSourceConfiguration"):
		return refused("DatabaseSourceConfiguration", "DirectPut and KinesisStreamAsSource are what there is")
	case mode == kinesisSource && kinesis == nil:
		return invalid("KinesisStreamSourceConfiguration must be given for DeliveryStreamType KinesisStreamAsSource.")
	case mode != kinesisSource && kinesis != nil:
		return invalid("KinesisStreamSourceConfiguration is only for DeliveryStreamType KinesisStreamAsSource.")
	case mode != kinesisSource:
		d.Direct, d.Stream = true, ownStream(d.Name)
		if direct := in.Inner("DirectPutSourceConfiguration"); direct != nil {
			n.Source = plain(direct)
		}
		return nil
	}
	if d.Stream, err = parseStreamARN(kinesis.Text("KinesisStreamARN")); err != nil {
		return err
	}
	if _, there := a.catalog.Stream(d.Stream); !there || strings.HasPrefix(string(d.Stream), ownPrefix) {
		return awsapi.Fail(resourceNotFound, "Stream %s under account %s not found.", d.Stream, awsapi.Account)
	}
	n.Source = plain(kinesis)
	return nil
}

// plain is a checked structure as JSON would decode it.
func plain(in awsapi.Input) map[string]any {
	m := make(map[string]any, len(in))
	for name, v := range in {
		m[name] = plainValue(v)
	}
	return m
}

func plainValue(v any) any {
	switch v := v.(type) {
	case awsapi.Input:
		return plain(v)
	case int64:
		return float64(v)
	case []any:
		all := make([]any, 0, len(v))
		for _, one := range v {
			all = append(all, plainValue(one))
		}
		return all
	}
	return v
}
