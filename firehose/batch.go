package firehose

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"headgate/shardlog"
)

// ErrChanged says that the log no longer holds what the batch was sealed
// over: records of it were given up since. The batch must be sealed anew.
var ErrChanged = errors.New("sealed records have changed")

// Batch is one sealed delivery: a contiguous range of one shard, less the
// records that were refused. It is immutable.
type Batch struct {
	ID      string // a UUID, the same in every attempt, unique over all sites
	Object  string // the object's name, with slashes and without a leading one
	Stream  shardlog.StreamName
	Shard   shardlog.ShardID
	First   shardlog.Seq // of the range
	Last    shardlog.Seq // of the range
	Version int          // of the delivery's configuration

	Arrived     time.Time // of the oldest record
	ArrivedLast time.Time // of the newest record

	Count   int      // records
	Bytes   int64    // of uncompressed content
	SHA256  [32]byte // of uncompressed content
	Missing uint64   // records of the range that the log had given up before it was sealed

	Retried bool // an earlier attempt may have arrived: look before sending
	Encoder Encoder

	// Records reads the records again from the log, in order. It holds one
	// page at a time. An error ends it.
	Records func(ctx context.Context) iter.Seq2[shardlog.Record, error]
}

// SourceError is an error of reading the log, as opposed to the destination's.
type SourceError struct{ Err error }

// Error says that the records could not be read, and why.
func (e *SourceError) Error() string { return "read records: " + e.Err.Error() }

// Unwrap is the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Encode writes the batch, encoded and compressed, to w. It ends with
// ErrChanged, after the last byte, when the content is not what was sealed:
// then nothing of it may become visible. Errors of w come back as they are,
// errors of the log as *SourceError.
func (b *Batch) Encode(ctx context.Context, w io.Writer) error {
	z, err := b.Encoder.Compress(w)
	if err != nil {
		return fmt.Errorf("compress batch: %w", err)
	}
	sum := sha256.New()
	count := 0
	var frame []byte
	for r, err := range b.Records(ctx) {
		if err != nil {
			z.Close()
			return &SourceError{Err: err}
		}
		if frame, err = b.Encoder.Frame(frame[:0], r); err != nil {
			z.Close()
			return fmt.Errorf("%w: record %d is refused now: %w", ErrChanged, r.Seq, err)
		}
		sum.Write(frame)
		if _, err := z.Write(frame); err != nil {
			z.Close()
			return err
		}
		count++
	}
	if err := z.Close(); err != nil {
		return err
	}
	if count != b.Count || [32]byte(sum.Sum(nil)) != b.SHA256 {
		return fmt.Errorf("%w: %d records found, %d sealed", ErrChanged, count, b.Count)
	}
	return nil
}

// Verify reads stored bytes and reports whether their content is the batch's.
// An error means that they could not be read or expanded.
func (b *Batch) Verify(stored io.Reader) (bool, error) {
	content, err := b.Encoder.Expand(stored)
	if err != nil {
		return false, fmt.Errorf("expand object: %w", err)
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(content, b.Bytes+1)); err != nil {
		return false, fmt.Errorf("expand object: %w", err)
	}
	return [32]byte(sum.Sum(nil)) == b.SHA256, nil
}
