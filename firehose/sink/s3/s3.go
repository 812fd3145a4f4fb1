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
	Client    *http.Client // nil: one of its own
}

// Sink is a bucket.
type Sink struct {
	name   string
	client *client
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
	name := "s3://" + c.Bucket
	if c.Endpoint != "" {
		name += " at " + c.Endpoint
	}
	client, err := newClient(c)
	if err != nil {
		return nil, err
	}
	return &Sink{name: name, client: client}, nil
}

// Caps has no limit that a batch could reach: objects may have 10,000 parts.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{} }

// String is the bucket.
func (s *Sink) String() string { return s.name }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe asks whether the bucket exists and takes our credentials.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	if err := s.client.headBucket(ctx); err != nil {
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
	head, err := s.client.headObject(ctx, b.Object)
	if err != nil {
		return firehose.Result{}, false
	}
	want := metadata(b)
	if head.Get("X-Amz-Meta-"+metaBatch) == want[metaBatch] && head.Get("X-Amz-Meta-"+metaSHA256) == want[metaSHA256] {
		return firehose.Result{Class: firehose.Delivered, Already: true}, true
	}
	return firehose.Fail(firehose.Config, fmt.Errorf("%s is in the bucket with other content: move it away", b.Object)), true
}
