package mongodb

import (
	"context"
	"errors"
	"fmt"

	"headgate/firehose"
)

// What is written, and in memory, at a time; a single larger document goes alone.
const (
	chunkDocuments = 1000
	chunkBytes     = 4 << 20
)

// Deliver writes the records in chunks. What an earlier attempt left there
// answers as duplicates and counts as delivered.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	d := &delivering{ctx: ctx, sink: s}
	err := b.Each(ctx, func(r firehose.Record, frame []byte) error {
		one, err := s.document(b, r, frame)
		if err != nil {
			d.items = append(d.items, refused(one, err))
			return nil
		}
		return d.add(one)
	})
	if err == nil {
		err = d.flush()
	}
	if err == nil {
		return d.result()
	}
	var failed *failure
	if errors.As(err, &failed) && ctx.Err() == nil {
		return firehose.Result(*failed)
	}
	return firehose.Fail(firehose.Transient, err)
}

// delivering is one attempt.
type delivering struct {
	ctx  context.Context
	sink *Sink

	chunk   []document
	pending int // bytes of chunk
	written int // documents that were not there before
	sent    int64
	items   []firehose.Item
}

// failure is a result that ends the attempt.
type failure firehose.Result

func (f *failure) Error() string { return f.Err.Error() }

func (d *delivering) add(one document) error {
	if len(d.chunk) > 0 && d.pending+len(one.body) > chunkBytes {
		if err := d.flush(); err != nil {
			return err
		}
	}
	d.chunk = append(d.chunk, one)
	if d.pending += len(one.body); len(d.chunk) < chunkDocuments {
		return nil
	}
	return d.flush()
}

// flush writes the chunk.
func (d *delivering) flush() error {
	if len(d.chunk) == 0 {
		return nil
	}
	o, err := d.sink.write(d.ctx, d.chunk)
	if err != nil {
		f := failure(classify(err))
		return &f
	}
	d.written += o.written
	d.items = append(d.items, o.items...)
	d.sent += int64(d.pending)
	clear(d.chunk)
	d.chunk, d.pending = d.chunk[:0], 0
	return nil
}

func (d *delivering) result() firehose.Result {
	if len(d.items) > 0 {
		return firehose.Result{
			Class: firehose.Poison, Items: d.items,
			Err: fmt.Errorf("%d records are refused, the first is %d: %s: %s", len(d.items), d.items[0].Seq, d.items[0].Code, d.items[0].Message),
		}
	}
	if d.written == 0 {
		return firehose.Result{Class: firehose.Delivered, Already: true}
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: d.sent}
}
