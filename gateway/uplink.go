package gateway

import (
	"context"
	"errors"
	"sync/atomic"

	"headgate/firehose"
	"headgate/firehose/uplink"
)

// admitted is a sink that waits for its lane of the uplink, and that can be
// cut off on purpose, to see what an outage does.
type admitted struct {
	firehose.Sink
	lane *uplink.Lane
	cut  *atomic.Bool
}

var errCut = errors.New("the uplink is cut on purpose: simulate-outage")

// Deliver hands a batch over unless the uplink is cut.
func (a admitted) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if err := a.admit(ctx); err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	return a.Sink.Deliver(ctx, b)
}

// Probe asks for the destination unless the uplink is cut.
func (a admitted) Probe(ctx context.Context) firehose.Result {
	if err := a.admit(ctx); err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	return a.Sink.Probe(ctx)
}

// admit waits for the lane. A link that is cut on purpose is down as far as
// the uplink can tell.
func (a admitted) admit(ctx context.Context) error {
	if err := a.lane.Admit(ctx); err != nil {
		return err
	}
	if a.cut.Load() {
		a.lane.Failed(errCut)
		return errCut
	}
	return nil
}
