package s3_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/s3"
	"headgate/firehose/sinktest"
)

// bucket is a place for sinktest: one bucket of a versitygw. It looks into it
// with a client of its own.
type bucket struct {
	server *sinktest.Versity
	name   string
	client *aws3.Client
}

func makeBucket(t *testing.T, v *sinktest.Versity, name string) *bucket {
	t.Helper()
	b := &bucket{server: v, name: name, client: aws3.New(aws3.Options{
		Region: "us-east-1", UsePathStyle: true, BaseEndpoint: &v.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(v.AccessKey, v.SecretKey, ""),
	})}
	if _, err := b.client.CreateBucket(t.Context(), &aws3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bucket) config() s3.Config {
	return s3.Config{Bucket: b.name, Endpoint: b.server.Endpoint, PathStyle: true, AccessKey: b.server.AccessKey, SecretKey: b.server.SecretKey}
}

func (b *bucket) Sink(t *testing.T) firehose.Sink { return open(t, b.config()) }

func open(t *testing.T, c s3.Config) firehose.Sink {
	t.Helper()
	s, err := s3.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bucket) Objects(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	list, err := b.client.ListObjectsV2(context.Background(), &aws3.ListObjectsV2Input{Bucket: &b.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		got, err := b.client.GetObject(context.Background(), &aws3.GetObjectInput{Bucket: &b.name, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if err = errors.Join(err, got.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all[*o.Key] = body
	}
	return all
}

// Break takes the bucket away.
func (b *bucket) Break(t *testing.T) (mend func()) {
	t.Helper()
	folder := filepath.Join(b.server.Data, b.name)
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Rename(away, folder); err != nil {
			t.Fatal(err)
		}
	}
}

func encoder(t *testing.T, compression string) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSink(t *testing.T) {
	v := sinktest.StartVersity(t)
	n := 0
	sinktest.Run(t, encoder(t, encode.Zstd), func(t *testing.T) sinktest.Place {
		n++
		return makeBucket(t, v, "bucket-"+string(rune('a'+n)))
	})
}

func TestObjectsSayWhatTheyAre(t *testing.T) {
	b := makeBucket(t, sinktest.StartVersity(t), "meta")
	batch := sinktest.Batch(encoder(t, encode.Gzip), "one", 1, 10, 10)
	batch.Missing = 3
	if r := b.Sink(t).Deliver(t.Context(), batch); !r.Done() {
		t.Fatal(r.Err)
	}
	head, err := b.client.HeadObject(t.Context(), &aws3.HeadObjectInput{Bucket: &b.name, Key: &batch.Object})
	if err != nil {
		t.Fatal(err)
	}
	if head.Metadata["headgate-batch"] != batch.ID || head.Metadata["headgate-records"] != "10" || head.Metadata["headgate-missing"] != "3" {
		t.Errorf("metadata %v", head.Metadata)
	}
}

func TestWrongCredentialsAreSaidToBe(t *testing.T) {
	b := makeBucket(t, sinktest.StartVersity(t), "denied")
	for name, change := range map[string]func(*s3.Config){
		"secret": func(c *s3.Config) { c.SecretKey = "wrong-secret-text" },
		"key":    func(c *s3.Config) { c.AccessKey = "nobody" },
	} {
		c := b.config()
		change(&c)
		s := open(t, c)
		r := s.Deliver(t.Context(), sinktest.Batch(encoder(t, encode.None), "x", 1, 1, 10))
		// This server says 404 of a key that it does not know, so either hold will do.
		held := func(c firehose.Class) bool { return c == firehose.Auth || c == firehose.Config && name == "key" }
		if p := s.Probe(t.Context()); !held(r.Class) || !held(p.Class) {
			t.Errorf("wrong %s: %s: %v; probe %s: %v", name, r.Class, r.Err, p.Class, p.Err)
		}
	}
}

// TestNoUploadIsLeftBehind: parts of an upload that was cut off cost money.
func TestNoUploadIsLeftBehind(t *testing.T) {
	b := makeBucket(t, sinktest.StartVersity(t), "uploads")
	batch := sinktest.Batch(encoder(t, encode.None), "large", 1, 24, 1<<20)
	batch.SHA256[0]++
	if r := b.Sink(t).Deliver(t.Context(), batch); r.Done() {
		t.Fatal("a changed batch was delivered")
	}
	// A process that was killed could not clean up; the next attempt does.
	orphan, err := b.client.CreateMultipartUpload(t.Context(), &aws3.CreateMultipartUploadInput{Bucket: &b.name, Key: &batch.Object})
	if err != nil {
		t.Fatal(err)
	}
	batch.SHA256[0]--
	batch.Retried = true
	if r := b.Sink(t).Deliver(t.Context(), batch); !r.Done() {
		t.Fatal(r.Err)
	}
	left, err := b.client.ListMultipartUploads(t.Context(), &aws3.ListMultipartUploadsInput{Bucket: &b.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range left.Uploads {
		t.Errorf("upload %s of %s is left (the killed one's is %s)", aws.ToString(u.UploadId), aws.ToString(u.Key), aws.ToString(orphan.UploadId))
	}
}
