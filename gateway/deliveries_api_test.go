package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/smithy-go"

	"headgate/firehose/sinktest"
	"headgate/gateway"
)

func firehoseClient(g *gateway.Gateway) *firehose.Client {
	return firehose.New(firehose.Options{
		BaseEndpoint: aws.String("http://" + g.Addresses().API), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", ""),
	})
}

func lake(bucket string) *types.ExtendedS3DestinationConfiguration {
	return &types.ExtendedS3DestinationConfiguration{
		BucketARN: aws.String("arn:aws:s3:::" + bucket), RoleARN: aws.String("arn:aws:iam::000000000000:role/r"), Prefix: aws.String("x/"),
		BufferingHints: &types.BufferingHints{SizeInMBs: aws.Int32(1), IntervalInSeconds: aws.Int32(0)},
	}
}

// A delivery that the AWS SDK made carries what the SDK put to a real S3
// server, over a change of its destination and a restart, and leaves nothing
// when it is deleted.
func TestTheFirehoseAPIDelivers(t *testing.T) {
	t.Parallel()
	server := sinktest.StartVersity(t)
	for _, bucket := range []string{"first", "second"} {
		if err := os.Mkdir(filepath.Join(server.Data, bucket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, keys := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"id": server.AccessKey, "secret": server.SecretKey} {
		if err := os.WriteFile(filepath.Join(keys, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	account := func(c *gateway.Config) {
		c.Open = true
		c.AWS = gateway.AWSConfig{Endpoint: server.Endpoint, PathStyle: true, AccessKey: &gateway.Secret{File: filepath.Join(keys, "id")}, SecretKey: &gateway.Secret{File: filepath.Join(keys, "secret")}}
	}
	g, stop := start(t, data, account)
	c, ctx, name := firehoseClient(g), context.Background(), aws.String("lake")
	if _, err := c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: lake("first")}); err != nil {
		t.Fatal(err)
	}
	put := func(n int) {
		t.Helper()
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: name}
		for i := range n {
			in.Records = append(in.Records, types.Record{Data: fmt.Appendf(nil, "%s-%d\n", "r", i)})
		}
		out, err := firehoseClient(g).PutRecordBatch(ctx, in)
		if err != nil || *out.FailedPutCount != 0 {
			t.Fatalf("%+v %v", out, err)
		}
	}
	put(100)
	arrived(t, gateway.Dial(data), "lake", 100)
	stop()
	g, _ = start(t, data, account)
	update := &firehose.UpdateDestinationInput{DeliveryStreamName: name, CurrentDeliveryStreamVersionId: aws.String("1"), DestinationId: aws.String("destinationId-000000000001"),
		ExtendedS3DestinationUpdate: &types.ExtendedS3DestinationUpdate{BucketARN: aws.String("arn:aws:s3:::second")}}
	if _, err := firehoseClient(g).UpdateDestination(ctx, update); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "the leader has the change", func() (string, bool) {
		d, err := gateway.Dial(data).Delivery(ctx, "lake")
		return fmt.Sprint(d.Sink, err), strings.Contains(d.Sink, "second")
	})
	put(50)
	arrived(t, gateway.Dial(data), "lake", 150)
	figures := metrics(t, g)
	for _, want := range []string{`headgate_firehose_delivery_total{delivery="lake",metric="DeliveryToS3.Records"} 150`,
		`headgate_firehose_delivery{delivery="lake",metric="DeliveryToS3.Success"} 1`, `headgate_firehose_total{metric="IncomingRecords"} 50`} {
		if !strings.Contains(figures, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for bucket, want := range map[string]int{"first": 100, "second": 50} {
		if got := linesBelow(t, filepath.Join(server.Data, bucket, "x")); got != want {
			t.Errorf("%s holds %d records, not %d", bucket, got, want)
		}
	}
	if _, err := firehoseClient(g).DeleteDeliveryStream(ctx, &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: name}); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "the delivery and its stream are gone", func() (string, bool) {
		_, err := firehoseClient(g).DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})
		var gone *types.ResourceNotFoundException
		_, stream := gateway.Dial(data).Stream(ctx, "_firehose.lake")
		return fmt.Sprint(err, stream), errors.As(err, &gone) && stream != nil
	})
}

func metrics(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	answer, err := http.Get("http://" + g.Addresses().Console + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return string(b)
}

func linesBelow(t *testing.T, folder string) (n int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		n += strings.Count(string(b), "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// References to secrets that come over the network reach no further than the
// gateway's folder for them; deliveries of the file cannot be touched.
func TestTheFirehoseAPIIsConfined(t *testing.T) {
	t.Parallel()
	data, folder := t.TempDir(), t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Deliveries = []gateway.DeliveryConfig{{Name: "fixed", Stream: "telemetry", Local: &gateway.LocalConfig{Folder: folder}}}
	})
	c, ctx := firehoseClient(g), context.Background()
	backup := &types.S3DestinationConfiguration{BucketARN: aws.String("arn:aws:s3:::b"), RoleARN: aws.String("arn:aws:iam::000000000000:role/r")}
	for reference, want := range map[string]string{
		"file:/etc/passwd":        "over the API only files in",
		"file:../keys":            "over the API only files in",
		"env:AWS_SECRET_KEY":      "HEADGATE_SECRET_",
		"file:token":              "no such file",
		"env:HEADGATE_SECRET_HEC": "the environment has no HEADGATE_SECRET_HEC",
		"inline-token":            "say where it lies",
	} {
		_, err := c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), SplunkDestinationConfiguration: &types.SplunkDestinationConfiguration{
			HECEndpoint: aws.String("https://s"), HECEndpointType: types.HECEndpointTypeRaw, HECToken: &reference, S3Configuration: backup}})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != "InvalidArgumentException" || !strings.Contains(refused.ErrorMessage(), want) {
			t.Errorf("%s: %v", reference, err)
		}
	}
	d, err := c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("fixed")})
	if err != nil || !strings.HasSuffix(*d.DeliveryStreamDescription.Source.KinesisStreamSourceDescription.KinesisStreamARN, ":stream/telemetry") {
		t.Errorf("%+v %v", d, err)
	}
	_, err = c.DeleteDeliveryStream(ctx, &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: aws.String("fixed")})
	if err == nil || !strings.Contains(err.Error(), "configuration file") {
		t.Error(err)
	}
	all, err := c.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{})
	if err != nil || fmt.Sprint(all.DeliveryStreamNames) != "[fixed]" {
		t.Errorf("%+v %v", all, err)
	}
}
