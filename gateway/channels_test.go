package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"headgate/firehose/sinktest"
	"headgate/gateway"
)

const streamOf, bucketOf, roleOf = "arn:aws:kinesis:us-east-1:000000000000:stream/", "arn:aws:s3:::", "arn:aws:iam::000000000000:role/r"

func channelInput(name, stream, bucket string) *kinesis.CreateChannelInput {
	return &kinesis.CreateChannelInput{
		ChannelName: &name, ServiceExecutionRoleARN: aws.String(roleOf),
		StreamConfigurationList: []types.ChannelStreamConfiguration{{StreamARN: aws.String(streamOf + stream), RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeJson}}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{DataFreshnessInSeconds: aws.Int32(1),
			StorageConfiguration:           &types.S3StorageConfiguration{BucketARN: aws.String(bucketOf + bucket), CompressionType: types.S3CompressionTypeNone, ExpectedBucketOwner: aws.String("000000000000")},
			DeadLetterQueueS3Configuration: &types.DeadLetterQueueS3Configuration{BucketARN: aws.String(bucketOf + "dead"), ErrorOutputPrefix: aws.String("dead/"), ExpectedBucketOwner: aws.String("000000000000")}},
	}
}

// A channel of the Kinesis API is a delivery to a bucket: made, found, changed
// and deleted by the SDK, over a restart.
func TestAChannelDelivers(t *testing.T) {
	t.Parallel()
	server := sinktest.StartVersity(t)
	secrets := t.TempDir()
	for name, text := range map[string]string{"id": server.AccessKey, "secret": server.SecretKey} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, bucket := range []string{"lake", "dead"} {
		if err := os.Mkdir(filepath.Join(server.Data, bucket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := func(c *gateway.Config) {
		c.Open = true
		c.AWS = gateway.AWSConfig{Endpoint: server.Endpoint, PathStyle: true, AccessKey: &gateway.Secret{File: filepath.Join(secrets, "id")}, SecretKey: &gateway.Secret{File: filepath.Join(secrets, "secret")}}
	}
	data := t.TempDir()
	g, stop := start(t, data, config)
	k, ctx := client(g, "any", "thing"), context.Background()
	made, err := k.CreateChannel(ctx, channelInput("archive", "telemetry", "lake"))
	if err != nil {
		t.Fatal(err)
	}
	d := made.ChannelDescription
	if d.ChannelStatus != types.ChannelStatusActive || !strings.HasSuffix(*d.ChannelARN, ":channel/archive") || *d.S3DestinationConfiguration.DataFreshnessInSeconds != 1 ||
		*d.S3DestinationConfiguration.StorageConfiguration.BucketARN != bucketOf+"lake" || *d.S3DestinationConfiguration.DeadLetterQueueS3Configuration.ErrorOutputPrefix != "dead/" ||
		!strings.HasSuffix(*d.StreamConfigurationList[0].StreamARN, ":stream/telemetry") || d.StreamConfigurationList[0].RecordConfiguration.RecordFormatType != types.RecordFormatTypeJson {
		t.Errorf("%+v", d)
	}
	putSome(t, g, "telemetry", 10)
	until(t, 30*time.Second, "ten records are in the bucket", func() (string, bool) {
		n := linesBelow(t, filepath.Join(server.Data, "lake"))
		return fmt.Sprint(n), n == 10
	})
	stop()
	g, _ = start(t, data, config)
	k = client(g, "any", "thing")
	updated, err := k.UpdateChannel(ctx, &kinesis.UpdateChannelInput{ChannelARN: d.ChannelARN, S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(2)}})
	if err != nil || *updated.ChannelDescription.S3DestinationConfiguration.DataFreshnessInSeconds != 2 || *updated.ChannelDescription.ChannelId != *d.ChannelId {
		t.Fatalf("%+v %v", updated, err)
	}
	putSome(t, g, "telemetry", 5)
	until(t, 30*time.Second, "fifteen records are in the bucket", func() (string, bool) {
		n := linesBelow(t, filepath.Join(server.Data, "lake"))
		return fmt.Sprint(n), n == 15
	})
	s, err := k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("telemetry")})
	if err != nil || *s.StreamDescriptionSummary.ChannelCount != 1 {
		t.Errorf("%+v %v", s, err)
	}
	list, err := k.ListChannels(ctx, &kinesis.ListChannelsInput{StreamFilter: []types.StreamFilter{{StreamARN: aws.String(streamOf + "telemetry")}}})
	if err != nil || len(list.ChannelSummaries) != 1 || *list.ChannelSummaries[0].ChannelName != "archive" || list.ChannelSummaries[0].ChannelDestinationType != types.ChannelDestinationTypeS3 {
		t.Errorf("%+v %v", list, err)
	}
	_, err = k.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String("telemetry")})
	wantCode(t, err, "ResourceInUseException", "has channels")
	if _, err := k.DeleteChannel(ctx, &kinesis.DeleteChannelInput{ChannelARN: d.ChannelARN}); err != nil {
		t.Fatal(err)
	}
	until(t, 20*time.Second, "the channel is gone", func() (string, bool) {
		_, err := k.DescribeChannel(ctx, &kinesis.DescribeChannelInput{ChannelARN: d.ChannelARN})
		return fmt.Sprint(err), err != nil && strings.Contains(err.Error(), "ResourceNotFoundException")
	})
}

func wantCode(t *testing.T, err error, code, words string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), words) {
		t.Errorf("got %v, want %s …%s…", err, code, words)
	}
}

// What a channel may ask for and this gateway would not do is refused by name.
func TestChannelsAreRefusedByName(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.AWS = gateway.AWSConfig{Endpoint: "http://127.0.0.1:1", AccessKey: &gateway.Secret{Env: "HOME"}, SecretKey: &gateway.Secret{Env: "HOME"}}
	})
	k, ctx := client(g, "any", "thing"), context.Background()
	for words, change := range map[string]func(*kinesis.CreateChannelInput){
		"GSR_JSON is not supported": func(in *kinesis.CreateChannelInput) {
			in.StreamConfigurationList[0].RecordConfiguration.RecordFormatType = types.RecordFormatTypeGsrJson
		},
		"OutputKeyTemplate is not supported": func(in *kinesis.CreateChannelInput) {
			in.S3DestinationConfiguration.StorageConfiguration.OutputKeyTemplate = aws.String("x")
		},
		"S3DestinationConfiguration must": func(in *kinesis.CreateChannelInput) { in.S3DestinationConfiguration = nil },
		"must name one stream": func(in *kinesis.CreateChannelInput) {
			in.StreamConfigurationList = append(in.StreamConfigurationList, in.StreamConfigurationList[0])
		},
		"Tags are not kept": func(in *kinesis.CreateChannelInput) { in.Tags = map[string]string{"a": "b"} },
		"EncryptionConfiguration is not": func(in *kinesis.CreateChannelInput) {
			in.EncryptionConfiguration = &types.ChannelEncryptionConfiguration{EncryptionType: types.ChannelEncryptionTypeKms, KeyId: aws.String("k")}
		},
	} {
		in := channelInput("c", "telemetry", "b")
		change(in)
		_, err := k.CreateChannel(ctx, in)
		wantCode(t, err, "InvalidArgumentException", words)
	}
	_, err := k.CreateChannel(ctx, channelInput("c", "nothing", "b"))
	wantCode(t, err, "ResourceNotFoundException", "nothing")
	for _, name := range []string{"one", "two"} {
		if _, err := k.CreateChannel(ctx, channelInput(name, "telemetry", "b")); err != nil {
			t.Fatal(err)
		}
	}
	_, err = k.CreateChannel(ctx, channelInput("three", "telemetry", "b"))
	wantCode(t, err, "LimitExceededException", "has 2 channels")
	_, err = k.DescribeChannel(ctx, &kinesis.DescribeChannelInput{ChannelARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:channel/four")})
	wantCode(t, err, "ResourceNotFoundException", "four")
	one, err := k.ListChannels(ctx, &kinesis.ListChannelsInput{MaxResults: aws.Int32(1)})
	if err != nil || len(one.ChannelSummaries) != 1 || one.NextToken == nil {
		t.Fatalf("%+v %v", one, err)
	}
	rest, err := k.ListChannels(ctx, &kinesis.ListChannelsInput{NextToken: one.NextToken})
	if err != nil || len(rest.ChannelSummaries) != 1 || *rest.ChannelSummaries[0].ChannelName != "two" || rest.NextToken != nil {
		t.Errorf("%+v %v", rest, err)
	}
}
