// Package kinesis delivers to a stream of Amazon Kinesis Data Streams, or of
// a server that speaks its API, such as a gateway at headquarters. It does not
// know what records mean, nor which shard takes them.
package kinesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a stream and who may write to it.
type Config struct {
	Stream    string
	Region    string // empty: us-east-1
	Endpoint  string // empty: Amazon's; else a URL
	AccessKey string
	SecretKey string
	Client    *http.Client // nil: the SDK's
}

// The limits of one request ("PutRecords", Kinesis Data Streams API
// reference), less room for keys.
const (
	mostRecords = 500
	mostBytes   = 4 << 20
	recordBytes = 1 << 20
)

const (
	rounds     = 6 // of a request whose entries were refused in part
	firstPause = 100 * time.Millisecond
)

// Sink is a stream.
type Sink struct {
	stream, name string
	client       *kinesis.Client
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Stream == "" || c.AccessKey == "" || c.SecretKey == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Kinesis sink", "a stream, an access key and a secret key are needed")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	o := kinesis.Options{Region: c.Region, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")}
	if c.Client != nil {
		o.HTTPClient = c.Client
	}
	name := "kinesis:" + c.Stream
	if c.Endpoint != "" {
		o.BaseEndpoint = aws.String(c.Endpoint)
		name += " at " + c.Endpoint
	}
	return &Sink{stream: c.Stream, name: name, client: kinesis.New(o)}, nil
}

// Caps make one batch one request, so that nothing is sent of a batch that is
// not what was sealed.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: recordBytes, BatchBytes: mostBytes, BatchRecords: mostRecords}
}

// String is the stream.
func (s *Sink) String() string { return s.name }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe asks whether the stream exists and takes our credentials.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	if _, err := s.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s.stream}); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver puts the records under their own partition keys. What the stream
// takes only in part is tried again here, so that the rest is not doubled; a
// batch that comes again is put again whole.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	var entries []types.PutRecordsRequestEntry
	var sent int64
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		e := types.PutRecordsRequestEntry{Data: append([]byte(nil), r.Data...), PartitionKey: aws.String(r.Key)}
		if r.Hash != nil {
			e.ExplicitHashKey = aws.String(r.Hash.String())
		}
		entries, sent = append(entries, e), sent+int64(len(r.Data)+len(r.Key))
		return nil
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	for pause := firstPause; ; pause *= 2 {
		refused, why, err := s.put(ctx, entries)
		switch {
		case err != nil:
			return classify(err)
		case len(refused) == 0:
			return firehose.Result{Class: firehose.Delivered, Bytes: sent}
		case pause > firstPause<<rounds:
			return firehose.Fail(firehose.Throttled, fmt.Errorf("%d of %d records were not taken: %w", len(refused), b.Count, why))
		}
		entries = refused
		if err := rest(ctx, time.Duration(rand.Int64N(int64(pause)))); err != nil {
			return firehose.Fail(firehose.Transient, err)
		}
	}
}

// put puts once and answers the entries that were not taken, in order, with
// the reason of the first.
func (s *Sink) put(ctx context.Context, entries []types.PutRecordsRequestEntry) (refused []types.PutRecordsRequestEntry, why, err error) {
	out, err := s.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s.stream, Records: entries})
	if err != nil {
		return nil, nil, err
	}
	if len(out.Records) != len(entries) {
		return nil, nil, errors.New("the answer does not fit the request")
	}
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			continue
		}
		if refused = append(refused, entries[i]); why == nil {
			why = fmt.Errorf("%s: %s", *r.ErrorCode, aws.ToString(r.ErrorMessage))
		}
	}
	return refused, why, nil
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
