package sinktest

import (
	"context"

	"headgate/firehose"
)

// Bin is a sink that takes everything and keeps nothing, for error records
// that a test does not look at.
type Bin struct{}

var _ firehose.Sink = Bin{}

// Caps are none.
func (Bin) Caps() firehose.Caps { return firehose.Caps{} }

// Deliver reads the batch.
func (Bin) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if err := b.Each(ctx, func(firehose.Record, []byte) error { return nil }); err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Probe is content.
func (Bin) Probe(context.Context) firehose.Result {
	return firehose.Result{Class: firehose.Delivered}
}

// String is the bin.
func (Bin) String() string { return "bin" }

// Close does nothing.
func (Bin) Close() error { return nil }
