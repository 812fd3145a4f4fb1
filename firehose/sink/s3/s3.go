// Package s3 delivers to a bucket of Amazon S3, or of a server that speaks its
// protocol. It relies on names and content, not on what a server promises of
// conditional writes: several ignore them. It does not know what objects mean.
package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a bucket and who may write to it.
type Config struct {
	Bucket    string
	Region    string // empty: us-east-1
	Endpoint  string // empty: Amazon's; else a URL
	PathStyle bool   // the bucket in the path: most servers other than Amazon's
	AccessKey string
	SecretKey string
	Client    *http.Client // nil: the SDK's
}

// Sink is a bucket.
type Sink struct {
	bucket, name string
	client       *s3.Client
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Bucket == "" || c.AccessKey == "" || c.SecretKey == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open S3 sink", "a bucket, an access key and a secret key are needed")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	o := s3.Options{
		Region: c.Region, UsePathStyle: c.PathStyle, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
	}
	if c.Client != nil {
		o.HTTPClient = c.Client
	}
	name := "s3://" + c.Bucket
	if c.Endpoint != "" {
		o.BaseEndpoint = aws.String(c.Endpoint)
		name += " at " + c.Endpoint
	}
	return &Sink{bucket: c.Bucket, name: name, client: s3.New(o)}, nil
}

// Caps has no limit that a batch could reach: objects may have 10,000 parts.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{} }

// String is the bucket.
func (s *Sink) String() string { return s.name }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe asks whether the bucket exists and takes our credentials.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	if _, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket}); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver puts the object, unless it is there. After an error that leaves
// open what happened it looks, so that nothing is sent twice over a line that
// costs money. The parts of an object that arrived stay for the next attempt,
// whatever process makes it.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if b.Retried {
		if r, known := s.look(ctx, b); known {
			return r
		}
	}
	up := &upload{ctx: ctx, sink: s, batch: b}
	err := b.Encode(ctx, up)
	if err == nil {
		err = up.finish()
	}
	if err == nil {
		return firehose.Result{Class: firehose.Delivered, Bytes: up.sent}
	}
	if errors.Is(err, firehose.ErrChanged) || statusOf(err) == http.StatusBadRequest {
		up.abort() // its parts are of no use
	}
	var source *firehose.SourceError
	if errors.As(err, &source) || errors.Is(err, firehose.ErrChanged) || ctx.Err() != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	failed := classify(err)
	if failed.Class == firehose.Transient || statusOf(err) == http.StatusPreconditionFailed {
		if r, known := s.look(ctx, b); known {
			return r
		}
	}
	return failed
}

// The metadata of an object. S3 hands keys back in lower case.
const (
	metaBatch   = "headgate-batch"
	metaSHA256  = "headgate-sha256"
	metaCount   = "headgate-records"
	metaMissing = "headgate-missing"
)

func metadata(b *firehose.Batch) map[string]string {
	m := map[string]string{metaBatch: b.ID, metaSHA256: hex.EncodeToString(b.SHA256[:]), metaCount: strconv.Itoa(b.Count)}
	if b.Missing > 0 {
		m[metaMissing] = strconv.FormatUint(b.Missing, 10)
	}
	return m
}

// look asks for what is under the batch's name; known is false when nothing
// is, or nobody answers.
func (s *Sink) look(ctx context.Context, b *firehose.Batch) (r firehose.Result, known bool) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &b.Object})
	if err != nil {
		return firehose.Result{}, false
	}
	want := metadata(b)
	if head.Metadata[metaBatch] == want[metaBatch] && head.Metadata[metaSHA256] == want[metaSHA256] {
		return firehose.Result{Class: firehose.Delivered, Already: true}, true
	}
	return firehose.Fail(firehose.Config, fmt.Errorf("%s is in the bucket with other content: move it away", b.Object)), true
}

// put sends an object that fits into one part.
func (s *Sink) put(ctx context.Context, b *firehose.Batch, body readSeeker) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &b.Object, Body: body, Metadata: metadata(b), IfNoneMatch: aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	return err
}
