package main

import (
	"context"
	"fmt"
	"time"

	"headgate/deploy/bench/internal/voters"
	"headgate/shardlog"
)

// bucketBytes is how much a bucket takes before the next begins.
const bucketBytes = 16 << 20

// pool carries the blocks that wait as one command, as the write path of a
// gateway does: one command in flight, the next gathers meanwhile.
type pool struct {
	lead   *voters.Node
	blocks chan request
	at     time.Time // of all records: time would only add a reason to be refused
	bucket uint32
	filled int
	ids    []shardlog.StreamID
}

type request struct {
	block shardlog.SealedBlock
	done  chan error // of capacity 1
}

func newPool(lead *voters.Node) *pool {
	return &pool{lead: lead, blocks: make(chan request), at: time.Now().Truncate(time.Millisecond), bucket: 1}
}

func (p *pool) createStreams(ctx context.Context, streams, shards int) error {
	for i := range streams {
		spec := shardlog.StreamSpec{Name: shardlog.StreamName(fmt.Sprintf("s%d", i)), Shards: shards, Retention: shardlog.DefaultRetention, Class: shardlog.Telemetry}
		o, err := p.lead.Group.Propose(ctx, shardlog.CreateStream{At: p.at, Spec: spec})
		if err == nil {
			err = o.Err
		}
		if err != nil {
			return fmt.Errorf("create stream: %w", err)
		}
		p.ids = append(p.ids, o.Made.ID)
	}
	return nil
}

// run proposes until ctx ends.
func (p *pool) run(ctx context.Context) error {
	var waiting []request
	for {
		waiting = p.gather(ctx, waiting[:0])
		if len(waiting) == 0 {
			return nil
		}
		command := shardlog.Append{At: p.at, Bucket: p.bucket}
		for _, r := range waiting {
			command.Blocks = append(command.Blocks, r.block)
			p.filled += len(r.block.Bytes)
		}
		if p.filled >= bucketBytes {
			p.bucket, p.filled = p.bucket+1, 0
		}
		// What was handed over is waited for: stopping in the middle would be measured as a failure.
		o, err := p.lead.Group.Propose(context.WithoutCancel(ctx), command)
		if err == nil {
			err = o.Err
		}
		for _, r := range waiting {
			r.done <- err
		}
	}
}

func (p *pool) gather(ctx context.Context, waiting []request) []request {
	select {
	case r := <-p.blocks:
		waiting = append(waiting, r)
	case <-ctx.Done():
		return nil
	}
	size := len(waiting[0].block.Bytes)
	for size < shardlog.MaxCommandBytes/2 {
		select {
		case r := <-p.blocks:
			waiting = append(waiting, r)
			size += len(r.block.Bytes)
		default:
			return waiting
		}
	}
	return waiting
}
