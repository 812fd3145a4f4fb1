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
	Source  string       // names the shard, unique over all sites and incarnations of the stream
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

	// Records reads the records again from the log, transformed, in order. It
	// holds one page at a time. An error ends it.
	Records func(ctx context.Context) iter.Seq2[Record, error]
}

// DocumentID names one of the batch's records for destinations that keep each
// under a name of its own. No other record of any site has it, and it is at
// most 128 bytes of [0-9a-z.-].
func (b *Batch) DocumentID(r Record) string { return b.Source + "-" + r.Place() }

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
	changed := b.Each(ctx, func(_ Record, frame []byte) error {
		_, err := z.Write(frame)
		return err
	})
	if changed != nil && !errors.Is(changed, ErrChanged) {
		z.Close()
		return changed
	}
	if err := z.Close(); err != nil {
		return err
	}
	return changed
}

// Each hands the records over one by one, in order, each with its framed
// content; both are valid until do returns. It ends with ErrChanged, after the
// last of them, when they are not what was sealed: a sink that can should show
// nothing of them then. Errors of do come back as they are, errors of the log
// as *SourceError.
func (b *Batch) Each(ctx context.Context, do func(r Record, frame []byte) error) error {
	sum := sha256.New()
	count := 0
	var frame []byte
	for r, err := range b.Records(ctx) {
		if err != nil {
			return &SourceError{Err: err}
		}
		if frame, err = b.Encoder.Frame(frame[:0], r); err != nil {
			return fmt.Errorf("%w: record %d is refused now: %w", ErrChanged, r.Seq, err)
		}
		sum.Write(frame)
		if err := do(r, frame); err != nil {
			return err
		}
		count++
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
