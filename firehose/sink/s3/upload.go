package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"time"

	"headgate/firehose"
)

// partBytes is the least that S3 takes as a part other than the last, and the
// most of an object that is in memory.
const partBytes = 5 << 20

// upload is one object on its way: a single put while it fits into a part,
// else a multipart upload, which nobody sees before it is complete.
type upload struct {
	ctx   context.Context
	sink  *Sink
	batch *firehose.Batch

	buf   bytes.Buffer
	id    string         // of the multipart upload, "" while there is none
	there map[int32]part // of an earlier attempt
	parts []part
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
		u.parts = append(u.parts, there)
		u.buf.Reset()
		return nil
	}
	sent, err := u.sink.client.uploadPart(u.ctx, u.batch.Object, u.id, number, u.buf.Bytes())
	if err != nil {
		return err
	}
	u.parts = append(u.parts, sent)
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
	id, err := u.sink.client.createUpload(u.ctx, u.batch.Object, metadata(u.batch))
	u.id = id
	return err
}

// finish makes the object visible.
func (u *upload) finish() error {
	if u.id == "" {
		u.sent = int64(u.buf.Len())
		return u.sink.client.putObject(u.ctx, u.batch.Object, metadata(u.batch), u.buf.Bytes())
	}
	if u.buf.Len() > 0 {
		if err := u.part(); err != nil {
			return err
		}
	}
	return u.sink.client.completeUpload(u.ctx, u.batch.Object, u.id, u.parts)
}

// courtesyTime bounds what saves cost and is not needed for the delivery.
const courtesyTime = 15 * time.Second

// resume finds the upload of an earlier attempt, or of a process that was
// killed, with the parts that arrived. Without the right to list there is none.
func (u *upload) resume() bool {
	ctx, cancel := context.WithTimeout(u.ctx, courtesyTime)
	defer cancel()
	left, err := u.sink.client.uploads(ctx, u.batch.Object)
	if err != nil {
		return false
	}
	for _, id := range left {
		if u.id == "" && u.list(ctx, id) {
			u.id = id
		} else {
			u.giveBack(u.ctx, id)
		}
	}
	return u.id != ""
}

// list learns which parts of an upload are there.
func (u *upload) list(ctx context.Context, id string) bool {
	var err error
	u.there, err = u.sink.client.parts(ctx, u.batch.Object, id)
	return err == nil
}

// same reports whether a part holds these bytes, by the checksum that was sent
// with it or, from servers that keep none, the MD5 that its tag is.
func same(p part, content []byte) bool {
	if p.Size != int64(len(content)) {
		return false
	}
	if p.ChecksumCRC32 != "" {
		return p.ChecksumCRC32 == checksum(content)
	}
	sum := md5.Sum(content)
	return strings.Trim(p.ETag, `"`) == hex.EncodeToString(sum[:])
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
	_ = u.sink.client.abortUpload(ctx, u.batch.Object, id)
}
