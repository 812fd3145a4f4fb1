package kinesis_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	aws_firehose "github.com/aws/aws-sdk-go-v2/service/firehose"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/kinesis"
	"headgate/firehose/sinktest"
)

// office is a gateway whose delivery stream "site" takes what others deliver.
type office struct {
	*headquarters
	firehose *aws_firehose.Client
}

func openOffice(t *testing.T) office {
	h := open(t)
	h.name = "_firehose.site"
	o := office{h, aws_firehose.New(aws_firehose.Options{BaseEndpoint: &h.endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(h.id, h.secret, "")})}
	o.make(t)
	return o
}

func (o office) make(t *testing.T) {
	t.Helper()
	beside := &types.S3DestinationConfiguration{BucketARN: aws.String("arn:aws:s3:::b"), RoleARN: aws.String("arn:aws:iam::000000000000:role/r")}
	_, err := o.firehose.CreateDeliveryStream(t.Context(), &aws_firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("site"), DeliveryStreamType: types.DeliveryStreamTypeDirectPut,
		HttpEndpointDestinationConfiguration: &types.HttpEndpointDestinationConfiguration{EndpointConfiguration: &types.HttpEndpointConfiguration{Url: aws.String("http://127.0.0.1:1/nobody")}, S3Configuration: beside}})
	if err != nil {
		t.Fatal(err)
	}
}

func (o office) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	s, err := kinesis.Open(kinesis.Config{Stream: "site", Delivery: true, Endpoint: o.endpoint, AccessKey: o.id, SecretKey: o.secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Break deletes the delivery stream, and waits until it is gone; mend makes it anew.
func (o office) Break(t *testing.T) (mend func()) {
	if _, err := o.firehose.DeleteDeliveryStream(t.Context(), &aws_firehose.DeleteDeliveryStreamInput{DeliveryStreamName: aws.String("site")}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := o.firehose.DescribeDeliveryStream(t.Context(), &aws_firehose.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("site")}); err != nil {
			return func() { o.make(t) }
		}
	}
}

// The whole suite against a delivery stream of ours, by the SDK.
func TestDataFirehoseConformance(t *testing.T) {
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "for the bucket that nobody writes to")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	sinktest.RunRecords(t, e, sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk { return openOffice(t) })
}
