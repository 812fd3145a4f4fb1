package s3_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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
	// It was begun without checksums, so that ours do not fit: it is given up,
	// and the attempt after that begins anew.
	if r := b.Sink(t).Deliver(t.Context(), batch); r.Class != firehose.Transient {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
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

// failing fails a request after so many.
type failing struct {
	left int64 // atomic
	sent int64 // atomic: bytes of bodies
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if atomic.AddInt64(&f.left, -1) < 0 {
		return nil, errors.New("no route to host")
	}
	atomic.AddInt64(&f.sent, max(r.ContentLength, 0))
	return http.DefaultTransport.RoundTrip(r)
}

// TestALargeObjectGoesOnWhereItWasCutOff: over a line that is cut every few
// requests it arrives all the same, and no part is sent twice.
func TestALargeObjectGoesOnWhereItWasCutOff(t *testing.T) {
	b := makeBucket(t, sinktest.StartVersity(t), "resumed")
	batch := sinktest.Batch(encoder(t, encode.None), "large", 1, 32, 1<<20) // 7 parts
	var sent int64
	for attempt := 1; ; attempt++ {
		line := &failing{left: 5} // less than an upload with 7 parts needs
		c := b.config()
		c.Client = &http.Client{Transport: line}
		r := open(t, c).Deliver(t.Context(), batch)
		sent += line.sent
		batch.Retried = true
		if r.Done() {
			break
		}
		if attempt == 10 {
			t.Fatal(r.Err)
		}
	}
	if most := batch.Bytes + 6<<20; sent > most || sent < batch.Bytes {
		t.Errorf("%d bytes were sent of an object of %d", sent, batch.Bytes)
	}
	for name, content := range b.Objects(t) {
		if !bytes.Equal(content, sinktest.Content(batch)) {
			t.Errorf("%s has other content", name)
		}
	}
}

// TestAPartThatIsNotOursIsReplaced: what lies under a part's number must be
// those bytes, or it is sent again.
func TestAPartThatIsNotOursIsReplaced(t *testing.T) {
	b := makeBucket(t, sinktest.StartVersity(t), "foreign")
	batch := sinktest.Batch(encoder(t, encode.None), "large", 1, 12, 1<<20)
	begun, err := b.client.CreateMultipartUpload(t.Context(), &aws3.CreateMultipartUploadInput{Bucket: &b.name, Key: &batch.Object, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		Metadata: map[string]string{"headgate-batch": batch.ID, "headgate-sha256": hex.EncodeToString(batch.SHA256[:])}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.client.UploadPart(t.Context(), &aws3.UploadPartInput{Bucket: &b.name, Key: &batch.Object, UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, 5<<20)), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		t.Fatal(err)
	}
	batch.Retried = true
	if r := b.Sink(t).Deliver(t.Context(), batch); !r.Done() {
		t.Fatal(r.Err)
	}
	if got := b.Objects(t)[batch.Object]; !bytes.Equal(got, sinktest.Content(batch)) {
		t.Errorf("%d bytes that are not the batch's", len(got))
	}
}
