package gateway

import (
	"context"
	"errors"
	"sync/atomic"

	"headgate/firehose"
)

// uplink is a sink that can be cut off on purpose, to see what an outage does.
type uplink struct {
	firehose.Sink
	cut *atomic.Bool
}

var errCut = errors.New("the uplink is cut on purpose: simulate-outage")

// Deliver hands a batch over unless the uplink is cut.
func (u uplink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if u.cut.Load() {
		return firehose.Fail(firehose.Transient, errCut)
	}
	return u.Sink.Deliver(ctx, b)
}

// Probe asks for the destination unless the uplink is cut.
func (u uplink) Probe(ctx context.Context) firehose.Result {
	if u.cut.Load() {
		return firehose.Fail(firehose.Transient, errCut)
	}
	return u.Sink.Probe(ctx)
}
