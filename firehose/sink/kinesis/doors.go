package kinesis

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// stream is the door of Kinesis Data Streams.
type stream struct {
	name   string
	client *kinesis.Client
}

func openStream(c Config) door {
	return stream{c.Stream, kinesis.New(kinesis.Options{Region: c.Region, Retryer: aws.NopRetryer{}, Credentials: c.credentials()}, func(o *kinesis.Options) {
		if c.Client != nil {
			o.HTTPClient = c.Client
		}
		o.BaseEndpoint = c.base()
	})}
}

func (s stream) look(ctx context.Context) error {
	_, err := s.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s.name})
	return err
}

func (s stream) put(ctx context.Context, entries []entry) (refused []entry, why, err error) {
	records := make([]types.PutRecordsRequestEntry, len(entries))
	for i, e := range entries {
		records[i] = types.PutRecordsRequestEntry{Data: e.data, PartitionKey: &e.key, ExplicitHashKey: e.hash}
	}
	out, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s.name, Records: records})
	if err != nil {
		return nil, nil, err
	}
	return untaken(entries, len(out.Records), func(i int) (code, message *string) { return out.Records[i].ErrorCode, out.Records[i].ErrorMessage })
}

// delivery is the door of Data Firehose, which knows no keys.
type delivery struct {
	name   string
	client *firehose.Client
}

func openDelivery(c Config) door {
	return delivery{c.Stream, firehose.New(firehose.Options{Region: c.Region, Retryer: aws.NopRetryer{}, Credentials: c.credentials()}, func(o *firehose.Options) {
		if c.Client != nil {
			o.HTTPClient = c.Client
		}
		o.BaseEndpoint = c.base()
	})}
}

func (d delivery) look(ctx context.Context) error {
	_, err := d.client.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &d.name})
	return err
}

func (d delivery) put(ctx context.Context, entries []entry) (refused []entry, why, err error) {
	records := make([]firehosetypes.Record, len(entries))
	for i, e := range entries {
		records[i] = firehosetypes.Record{Data: e.data}
	}
	out, err := d.client.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: &d.name, Records: records})
	if err != nil {
		return nil, nil, err
	}
	return untaken(entries, len(out.RequestResponses), func(i int) (code, message *string) {
		return out.RequestResponses[i].ErrorCode, out.RequestResponses[i].ErrorMessage
	})
}

func (c Config) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")
}

func (c Config) base() *string {
	if c.Endpoint == "" {
		return nil
	}
	return &c.Endpoint
}

// untaken are the entries for which an answer of n results has an error.
func untaken(entries []entry, n int, result func(i int) (code, message *string)) (refused []entry, why, err error) {
	if n != len(entries) {
		return nil, nil, errors.New("the answer does not fit the request")
	}
	for i, e := range entries {
		code, message := result(i)
		if code == nil || *code == "" {
			continue
		}
		if refused = append(refused, e); why == nil {
			why = fmt.Errorf("%s: %s", *code, aws.ToString(message))
		}
	}
	return refused, why, nil
}
