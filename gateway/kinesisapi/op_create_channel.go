package kinesisapi

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateChannel makes a delivery of a stream to a bucket, from the newest
// record on, which is ACTIVE when the call returns. Roles are kept and not
// used: the bucket is written to with the keys that the configuration file
// names under aws.
//
// ResourceInUseException: there is such a channel. ResourceNotFoundException:
// no such stream. LimitExceededException: a stream has two at most.
// InvalidArgumentException: what this gateway does not have, by name.

func createChannelInput() []awsapi.Field {
	structure := func(name string, fields ...awsapi.Field) awsapi.Field {
		return awsapi.Field{Name: name, Type: awsapi.Structure, Fields: fields}
	}
	record := structure("RecordConfiguration", required(text("RecordFormatType", awsapi.OneOf("GSR_JSON", "JSON", "STRING", "BYTE_ARRAY"))), text("GSRSchemaARN"))
	stream := structure("", required(text("StreamARN")), required(record))
	bucket := func() awsapi.Field {
		return required(text("BucketARN", awsapi.Pattern(`arn:.*:s3:::[\w\.\-]{1,255}`), awsapi.Shortest(1), awsapi.Longest(2048)))
	}
	storage := structure("StorageConfiguration", bucket(), text("CompressionType", awsapi.OneOf("NONE", "GZIP", "ZSTD")), required(text("ExpectedBucketOwner", awsapi.Pattern(`\d{12}`))), text("OutputKeyTemplate"), text("StorageClass"))
	dead := structure("DeadLetterQueueS3Configuration", bucket(), required(text("ExpectedBucketOwner", awsapi.Pattern(`\d{12}`))), text("ErrorOutputPrefix"))
	return []awsapi.Field{
		channelName(), required(text("ServiceExecutionRoleARN")),
		required(awsapi.Field{Name: "StreamConfigurationList", Type: awsapi.List, Of: &stream}),
		structure("S3DestinationConfiguration", required(storage), freshness(), dead),
		structure("S3TablesDestinationConfiguration"), structure("EncryptionConfiguration", text("EncryptionType"), text("KeyId")),
		loggingInput(), {Name: "Tags", Type: awsapi.Map, Of: &awsapi.Field{Type: awsapi.String}},
	}
}

func freshness() awsapi.Field {
	return integer("DataFreshnessInSeconds", awsapi.Least(0), awsapi.Most(mostFreshness))
}

func loggingInput() awsapi.Field {
	logs := awsapi.Field{Name: "CloudWatchLogs", Type: awsapi.Structure, Fields: []awsapi.Field{boolean("Enabled"), text("LogGroupName"), text("LogStreamName")}}
	return awsapi.Field{Name: "LoggingConfiguration", Type: awsapi.Structure, Fields: []awsapi.Field{logs}}
}

func (a *API) createChannel(ctx context.Context, c *awsapi.Call) error {
	made, err := a.newChannel(c.In)
	if err != nil {
		return err
	}
	of, err := a.channelsOf(ctx, made.Stream)
	if err != nil {
		return err
	}
	if len(of) >= channelsByStream {
		return awsapi.Fail(limitExceeded, "Stream %s under account %s has %d channels, the most that a stream may have.", made.Stream, awsapi.Account, len(of))
	}
	if err := a.channels.CreateChannel(ctx, made); err != nil {
		if shardlog.KindOf(err) == shardlog.InUse {
			return awsapi.Fail(resourceInUse, "Channel %s under account %s already exists.", made.Name, awsapi.Account)
		}
		return err
	}
	c.Out.Open("")
	if err := a.putChannel(&c.Out, c.Caller.Region, made); err != nil {
		return err
	}
	c.Out.Close()
	return nil
}

// newChannel is the channel that a request asks for.
func (a *API) newChannel(in awsapi.Input) (Channel, error) {
	made := Channel{Name: in.Text("ChannelName"), Created: a.now().UTC().Truncate(time.Millisecond)}
	if err := a.offered(in); err != nil {
		return made, err
	}
	streams := in.List("StreamConfigurationList")
	if len(streams) != 1 {
		return made, awsapi.Fail(invalidArgument, "StreamConfigurationList must name one stream.")
	}
	from, _ := streams[0].(awsapi.Input)
	stream, err := a.find(awsapi.Input{"StreamARN": from.Text("StreamARN")})
	if err != nil {
		return made, err
	}
	if err := changeable(stream.Name); err != nil {
		return made, err
	}
	made.Stream = stream.Name
	n := channelNote{Role: in.Text("ServiceExecutionRoleARN"), Format: from.Inner("RecordConfiguration").Text("RecordFormatType")}
	if n.Format == "GSR_JSON" {
		return made, unsupported("RecordFormatType GSR_JSON", "there is no schema registry here")
	}
	made.Lines = n.Format != "BYTE_ARRAY"
	s3 := in.Inner("S3DestinationConfiguration")
	if err := made.storeIn(s3, &n); err != nil {
		return made, err
	}
	made.Freshness = time.Duration(s3.Int("DataFreshnessInSeconds", defaultFreshness)) * time.Second
	made.Note, err = json.Marshal(n)
	return made, err
}

// storeIn reads where a channel's objects go.
func (c *Channel) storeIn(s3 awsapi.Input, n *channelNote) error {
	storage, dead := s3.Inner("StorageConfiguration"), s3.Inner("DeadLetterQueueS3Configuration")
	switch {
	case storage.Text("OutputKeyTemplate") != "":
		return unsupported("OutputKeyTemplate", "objects lie under YYYY/MM/dd/HH/; a delivery of the configuration file has a prefix")
	case storage.Text("StorageClass") != "" && storage.Text("StorageClass") != "STANDARD":
		return unsupported("StorageClass "+storage.Text("StorageClass"), "set a rule of the bucket")
	}
	after := func(arn string) string { return arn[strings.LastIndex(arn, ":")+1:] }
	c.Bucket, c.Compression = after(storage.Text("BucketARN")), "none"
	if text := storage.Text("CompressionType"); text != "" {
		c.Compression = strings.ToLower(text)
	}
	kept := map[string]any{"StorageConfiguration": map[string]any(storage)}
	if dead != nil {
		c.ErrorBucket, c.ErrorPrefix = after(dead.Text("BucketARN")), dead.Text("ErrorOutputPrefix")
		kept["DeadLetterQueueS3Configuration"] = map[string]any(dead)
	}
	n.S3 = kept
	return nil
}

// offered refuses what this gateway would not do.
func (a *API) offered(in awsapi.Input) error {
	switch {
	case len(in.Text("ChannelName")) > maxChannelName:
		return unsupported("A ChannelName of more than 56 characters", "deliveries have no longer names")
	case in.Has("S3TablesDestinationConfiguration"):
		return unsupported("S3TablesDestinationConfiguration", "S3DestinationConfiguration is what there is")
	case !in.Has("S3DestinationConfiguration"):
		return awsapi.Fail(invalidArgument, "S3DestinationConfiguration must be given.")
	case in.Has("EncryptionConfiguration"):
		return unsupported("EncryptionConfiguration", "set the encryption of the bucket")
	case in.Inner("LoggingConfiguration").Inner("CloudWatchLogs").Bool("Enabled"):
		return unsupported("LoggingConfiguration", "there is no CloudWatch here; headgate delivery list shows errors")
	case len(in.Map("Tags")) > 0:
		return awsapi.Fail(invalidArgument, "Tags are not kept by this gateway.")
	}
	return nil
}
