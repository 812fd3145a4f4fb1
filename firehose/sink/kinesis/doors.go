package kinesis

import (
	"context"
	"errors"
	"fmt"

	"headgate/firehose/sink/internal/awsjson"
)

// put is one record of a request. Data Firehose knows no keys.
type put struct {
	Data            []byte
	PartitionKey    string `json:",omitempty"`
	ExplicitHashKey string `json:",omitempty"`
}

// result is what became of one.
type result struct{ ErrorCode, ErrorMessage string }

// stream is the door of Kinesis Data Streams.
type stream struct {
	name   string
	client *awsjson.Client
}

func openStream(c Config) (door, error) {
	client, err := c.client("kinesis", "Kinesis_20131202")
	return stream{c.Stream, client}, err
}

func (s stream) look(ctx context.Context) error {
	return s.client.Do(ctx, "DescribeStreamSummary", map[string]string{"StreamName": s.name}, nil)
}

func (s stream) put(ctx context.Context, entries []entry) (refused []entry, why, err error) {
	in := struct {
		StreamName string
		Records    []put
	}{StreamName: s.name}
	for _, e := range entries {
		in.Records = append(in.Records, put{e.data, e.key, e.hash})
	}
	var out struct{ Records []result }
	if err := s.client.Do(ctx, "PutRecords", in, &out); err != nil {
		return nil, nil, err
	}
	return untaken(entries, out.Records)
}

// delivery is the door of Data Firehose.
type delivery struct {
	name   string
	client *awsjson.Client
}

func openDelivery(c Config) (door, error) {
	client, err := c.client("firehose", "Firehose_20150804")
	return delivery{c.Stream, client}, err
}

func (d delivery) look(ctx context.Context) error {
	return d.client.Do(ctx, "DescribeDeliveryStream", map[string]string{"DeliveryStreamName": d.name}, nil)
}

func (d delivery) put(ctx context.Context, entries []entry) (refused []entry, why, err error) {
	in := struct {
		DeliveryStreamName string
		Records            []put
	}{DeliveryStreamName: d.name}
	for _, e := range entries {
		in.Records = append(in.Records, put{Data: e.data})
	}
	var out struct{ RequestResponses []result }
	if err := d.client.Do(ctx, "PutRecordBatch", in, &out); err != nil {
		return nil, nil, err
	}
	return untaken(entries, out.RequestResponses)
}

func (c Config) client(service, target string) (*awsjson.Client, error) {
	return awsjson.Open(awsjson.Config{Service: service, Target: target, Region: c.Region, Endpoint: c.Endpoint, AccessKey: c.AccessKey, SecretKey: c.SecretKey, Client: c.Client})
}

// untaken are the entries whose result is an error.
func untaken(entries []entry, results []result) (refused []entry, why, err error) {
	if len(results) != len(entries) {
		return nil, nil, errors.New("the answer does not fit the request")
	}
	for i, r := range results {
		if r.ErrorCode == "" {
			continue
		}
		if refused = append(refused, entries[i]); why == nil {
			why = fmt.Errorf("%s: %s", r.ErrorCode, r.ErrorMessage)
		}
	}
	return refused, why, nil
}
