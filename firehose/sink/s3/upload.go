package s3

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"headgate/firehose"
)

// partBytes is the least that S3 takes as a part other than the last, and the
// most of an object that is in memory.
const partBytes = 5 << 20

type readSeeker = io.ReadSeeker

// upload is one object on its way: a single put while it fits into a part,
// else a multipart upload, which nobody sees before it is complete.
type upload struct {
	ctx   context.Context
	sink  *Sink
	batch *firehose.Batch

	buf   bytes.Buffer
	id    string // of the multipart upload, "" while there is none
	parts []types.CompletedPart
	sent  int64
}

// Write takes bytes of the object.
func (u *upload) Write(p []byte) (int, error) {
	taken := len(p)
	for u.buf.Len()+len(p) > partBytes {
		n := partBytes - u.buf.Len()
		u.buf.Write(p[:n])
		p = p[n:]
		if err := u.part(); err != nil {
			return 0, err
		}
	}
	u.buf.Write(p)
	return taken, nil
}

// part sends what is buffered as a part.
func (u *upload) part() error {
	if u.id == "" {
		if u.batch.Retried {
			u.abortEarlier()
		}
		out, err := u.sink.client.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
			Bucket: &u.sink.bucket, Key: &u.batch.Object, Metadata: metadata(u.batch), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
		})
		if err != nil {
			return err
		}
		u.id = aws.ToString(out.UploadId)
	}
	number := aws.Int32(int32(len(u.parts) + 1))
	out, err := u.sink.client.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: &u.id, PartNumber: number,
		Body: bytes.NewReader(u.buf.Bytes()), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	u.sent += int64(u.buf.Len())
	u.buf.Reset()
	return nil
}

// finish makes the object visible.
func (u *upload) finish() error {
	if u.id == "" {
		u.sent = int64(u.buf.Len())
		return u.sink.put(u.ctx, u.batch, bytes.NewReader(u.buf.Bytes()))
	}
	if u.buf.Len() > 0 {
		if err := u.part(); err != nil {
			return err
		}
	}
	_, err := u.sink.client.CompleteMultipartUpload(u.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: &u.id, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	return err
}

// abortTime bounds the courtesy of giving parts back.
const abortTime = 5 * time.Second

// abort gives the parts of a failed upload back: the bucket's owner pays for them.
func (u *upload) abort() {
	if u.id == "" {
		return
	}
	u.giveBack(context.WithoutCancel(u.ctx), &u.id)
}

// abortEarlier gives back the parts that a process left which was killed.
// Should it live after all, it finds its upload gone and tries again.
func (u *upload) abortEarlier() {
	ctx, cancel := context.WithTimeout(u.ctx, abortTime)
	defer cancel()
	left, err := u.sink.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &u.sink.bucket, Prefix: &u.batch.Object})
	if err != nil {
		return // a matter of cost, not of delivery; the right to list may be missing
	}
	for _, one := range left.Uploads {
		if aws.ToString(one.Key) == u.batch.Object {
			u.giveBack(u.ctx, one.UploadId)
		}
	}
}

// giveBack aborts an upload. What cannot be given back goes by the bucket's
// own rule for unfinished uploads.
func (u *upload) giveBack(ctx context.Context, id *string) {
	ctx, cancel := context.WithTimeout(ctx, abortTime)
	defer cancel()
	_, _ = u.sink.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: id})
}
