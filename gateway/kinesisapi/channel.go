package kinesisapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// Channel is a delivery of one stream to a bucket, as Kinesis's own API has it.
type Channel struct {
	Name        string
	Stream      shardlog.StreamName
	Created     time.Time
	Deleting    bool
	Bucket      string
	Compression string        // none, gzip, zstd
	Lines       bool          // each record ends in a newline
	Freshness   time.Duration // how long a record waits for company
	ErrorBucket string        // of what cannot be delivered
	ErrorPrefix string
	Note        []byte // this room's own, kept as it is
	Version     uint64 // of what Channel found, for UpdateChannel
}

// Channels are the channels of the site. Kinds: Invalid (also: it cannot be
// opened), NotFound, InUse, Conflict (UpdateChannel), LimitExceeded,
// Unavailable, Unknown, Full.
type Channels interface {
	CreateChannel(ctx context.Context, c Channel) error
	Channel(ctx context.Context, name string) (Channel, error)
	UpdateChannel(ctx context.Context, c Channel) error // if its Version is still the present one
	DeleteChannel(ctx context.Context, name string) error
	Channels(ctx context.Context) ([]Channel, error) // by name
}

const (
	maxChannelName   = 56 // what a delivery's name has room for
	channelsByStream = 2
	defaultFreshness = 300
	mostFreshness    = 900
)

// channelNote is what was asked for and has no effect here, to be told again.
type channelNote struct {
	Role    string         `json:"role"`
	Format  string         `json:"format"`
	S3      map[string]any `json:"s3"`
	Logging map[string]any `json:"logging,omitempty"`
}

func channelName() awsapi.Field { return required(text("ChannelName", nameRules()...)) }

func channelARNField() awsapi.Field {
	return required(text("ChannelARN", awsapi.Pattern(`arn:aws.*:kinesis:.*:\d{12}:channel/[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(2048)))
}

func channelARN(region, name string) string {
	return strings.TrimSuffix(arn(region, ""), "stream/") + "channel/" + name
}

// channel is the channel that a request names by its ARN.
func (a *API) channel(ctx context.Context, in awsapi.Input) (Channel, error) {
	text := in.Text("ChannelARN")
	name := text[strings.LastIndex(text, "/")+1:]
	if parts := strings.Split(text, ":"); parts[4] != awsapi.Account {
		return Channel{}, noChannel(name)
	}
	c, err := a.channels.Channel(ctx, name)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return Channel{}, noChannel(name)
	}
	return c, err
}

func noChannel(name string) *awsapi.Error {
	return awsapi.Fail(resourceNotFound, "Channel %s under account %s not found.", name, awsapi.Account)
}

func unsupported(member, why string) *awsapi.Error {
	return awsapi.Fail(invalidArgument, "%s is not supported by this gateway: %s.", member, why)
}

// channelsOf are those of a stream.
func (a *API) channelsOf(ctx context.Context, stream shardlog.StreamName) ([]Channel, error) {
	if a.channels == nil {
		return nil, nil
	}
	all, err := a.channels.Channels(ctx)
	var of []Channel
	for _, c := range all {
		if c.Stream == stream {
			of = append(of, c)
		}
	}
	return of, err
}

// putChannel writes a ChannelDescription.
func (a *API) putChannel(out *awsapi.Reply, region string, c Channel) error {
	var n channelNote
	if err := json.Unmarshal(c.Note, &n); err != nil {
		return fmt.Errorf("read channel %s: %w", c.Name, err)
	}
	out.Open("ChannelDescription")
	a.putChannelHead(out, region, c)
	out.Text("ServiceExecutionRoleARN", n.Role)
	out.List("StreamConfigurationList")
	out.Open("")
	out.Text("StreamARN", arn(region, c.Stream))
	if s, there := a.catalog.Stream(c.Stream); there {
		out.Time("StreamCreationTimestamp", s.Created)
	}
	out.Open("RecordConfiguration")
	out.Text("RecordFormatType", n.Format)
	out.Close()
	out.Close()
	out.EndList()
	out.Open("S3DestinationConfiguration")
	out.Int("DataFreshnessInSeconds", int64(c.Freshness/time.Second))
	putTexts(out, "StorageConfiguration", n.S3["StorageConfiguration"])
	if dead, there := n.S3["DeadLetterQueueS3Configuration"]; there {
		putTexts(out, "DeadLetterQueueS3Configuration", dead)
	}
	out.Close()
	out.Open("LoggingConfiguration")
	out.Open("CloudWatchLogs")
	out.Bool("Enabled", false)
	out.Close()
	out.Close()
	out.Close()
	return nil
}

// putChannelHead writes what descriptions and summaries share.
func (a *API) putChannelHead(out *awsapi.Reply, region string, c Channel) {
	status := "ACTIVE"
	if c.Deleting {
		status = "DELETING"
	}
	out.Text("ChannelARN", channelARN(region, c.Name))
	out.Text("ChannelName", c.Name)
	out.Text("ChannelId", fmt.Sprintf("%x", c.Created.UnixNano()))
	out.Text("ChannelStatus", status)
	out.Time("ChannelCreationTimestamp", c.Created)
}

// putTexts writes a structure of texts.
func putTexts(out *awsapi.Reply, name string, value any) {
	fields, _ := value.(map[string]any)
	out.Open(name)
	for _, field := range []string{"BucketARN", "CompressionType", "ExpectedBucketOwner", "OutputKeyTemplate", "StorageClass", "ErrorOutputPrefix"} {
		if text, ok := fields[field].(string); ok {
			out.Text(field, text)
		}
	}
	out.Close()
}
