package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"strings"
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
	id    string               // of the multipart upload, "" while there is none
	there map[int32]types.Part // of an earlier attempt
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

// part sends what is buffered as a part, unless an earlier attempt has.
func (u *upload) part() error {
	if err := u.begin(); err != nil {
		return err
	}
	number := int32(len(u.parts) + 1)
	if there, ok := u.there[number]; ok && same(there, u.buf.Bytes()) {
		u.parts = append(u.parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: there.ETag, ChecksumCRC32: there.ChecksumCRC32})
		u.buf.Reset()
		return nil
	}
	out, err := u.sink.client.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: &u.id, PartNumber: aws.Int32(number),
		Body: bytes.NewReader(u.buf.Bytes()), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	u.sent += int64(u.buf.Len())
	u.buf.Reset()
	return nil
}

// begin makes the multipart upload, or finds the one of an earlier attempt.
func (u *upload) begin() error {
	if u.id != "" {
		return nil
	}
	if u.batch.Retried && u.resume() {
		return nil
	}
	out, err := u.sink.client.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.sink.bucket, Key: &u.batch.Object, Metadata: metadata(u.batch), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	u.id = aws.ToString(out.UploadId)
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

// courtesyTime bounds what saves cost and is not needed for the delivery.
const courtesyTime = 15 * time.Second

// resume finds the upload of an earlier attempt, or of a process that was
// killed, with the parts that arrived. Without the right to list there is none.
func (u *upload) resume() bool {
	ctx, cancel := context.WithTimeout(u.ctx, courtesyTime)
	defer cancel()
	left, err := u.sink.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &u.sink.bucket, Prefix: &u.batch.Object})
	if err != nil {
		return false
	}
	for _, one := range left.Uploads {
		switch id := aws.ToString(one.UploadId); {
		case aws.ToString(one.Key) != u.batch.Object || id == "":
		case u.id == "" && u.list(ctx, id):
			u.id = id
		default:
			u.giveBack(u.ctx, id)
		}
	}
	return u.id != ""
}

// list learns which parts of an upload are there.
func (u *upload) list(ctx context.Context, id string) bool {
	u.there = map[int32]types.Part{}
	pages := s3.NewListPartsPaginator(u.sink.client, &s3.ListPartsInput{Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			u.there = nil
			return false
		}
		for _, p := range page.Parts {
			u.there[aws.ToInt32(p.PartNumber)] = p
		}
	}
	return true
}

// same reports whether a part holds these bytes, by the checksum that was sent
// with it or, from servers that keep none, the MD5 that its tag is.
func same(p types.Part, content []byte) bool {
	if aws.ToInt64(p.Size) != int64(len(content)) {
		return false
	}
	if p.ChecksumCRC32 != nil {
		sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(content))
		return *p.ChecksumCRC32 == base64.StdEncoding.EncodeToString(sum)
	}
	sum := md5.Sum(content)
	return strings.Trim(aws.ToString(p.ETag), `"`) == hex.EncodeToString(sum[:])
}

// abort gives back the parts of an upload that will not be completed: the
// bucket's owner pays for them.
func (u *upload) abort() {
	if u.id != "" {
		u.giveBack(context.WithoutCancel(u.ctx), u.id)
	}
}

// giveBack aborts an upload. What cannot be given back goes by the bucket's
// own rule for unfinished uploads.
func (u *upload) giveBack(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, courtesyTime)
	defer cancel()
	_, _ = u.sink.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.sink.bucket, Key: &u.batch.Object, UploadId: &id})
}
