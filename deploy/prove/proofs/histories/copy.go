package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/deploy/prove/proofs/histories/history"
)

// missing is the name of the error that a stream is not there.
const missing = "ResourceNotFoundException"

// copier reads one shard through one gateway, as far as it goes.
type copier struct {
	c     *clients
	n     int // of the gateway, from 0
	shard shard
	token *string
	copy  history.Copy
}

// copy puts a last record into each shard, waits until every gateway shows
// them and nothing more comes, and notes what each has. An error says that
// the site did not get well; what it shows is noted all the same.
func (c *clients) copy(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, together)
	defer stop()
	var sick error
	for _, s := range c.shards {
		if err := c.last(ctx, s); err != nil {
			sick = fmt.Errorf("no put works after all faults are gone: %w", err)
			break
		}
	}
	var all []*copier
	for n := range c.sdk {
		for _, s := range c.shards {
			all = append(all, &copier{c: c, n: n, shard: s, copy: history.Copy{Gateway: n + 1, Shard: s.id}})
		}
	}
	sick = errors.Join(sick, settle(ctx, all))
	for _, one := range all {
		c.recorder.history.Copies = append(c.recorder.history.Copies, one.copy)
	}
	return sick
}

// errGone says that the site does not know its stream any more.
var errGone = errors.New("the stream is gone")

// last puts a last record into a shard.
func (c *clients) last(ctx context.Context, s shard) error {
	attempt, gone := 0, 0
	return until(ctx, func() error {
		attempt++
		p := c.put(ctx, attempt%len(c.sdk), "last", fmt.Sprintf("last.%s-%d", s.id, attempt), s)
		if gone++; p.Error != missing {
			gone = 0
		}
		if gone > 10*len(c.sdk) {
			return errGone
		}
		if p.Outcome != history.Stored {
			return fmt.Errorf("%s: %s", p.Outcome, p.Error)
		}
		return nil
	})
}

// settle reads until all gateways have the same number of records of each
// shard and none has got more for a while. Gateways that do not come together
// are left as they are: the laws will say so.
func settle(ctx context.Context, all []*copier) error {
	for quiet := time.Now(); time.Since(quiet) < still || !agree(all); {
		for _, one := range all {
			more, err := one.step(ctx)
			if err != nil && ctx.Err() == nil {
				one.c.recorder.failed(err)
			}
			if more {
				quiet = time.Now()
			}
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			if agree(all) {
				return fmt.Errorf("records still come %v after all faults are gone", together)
			}
			return nil
		}
	}
	return nil
}

func agree(all []*copier) bool {
	length := map[string]int{}
	for _, one := range all {
		if n, ok := length[one.shard.id]; ok && n != len(one.copy.Records) {
			return false
		}
		length[one.shard.id] = len(one.copy.Records)
	}
	return true
}

// step reads on; more says that something came.
func (o *copier) step(ctx context.Context) (more bool, err error) {
	call, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	if o.token == nil {
		out, err := o.c.sdk[o.n].GetShardIterator(call, &kinesis.GetShardIteratorInput{StreamName: aws.String(stream),
			ShardId: aws.String(o.shard.id), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return false, err
		}
		o.token = out.ShardIterator
	}
	out, err := o.c.sdk[o.n].GetRecords(call, &kinesis.GetRecordsInput{ShardIterator: o.token})
	if err != nil {
		return false, err
	}
	o.token = out.NextShardIterator
	o.copy.Records = append(o.copy.Records, records(out.Records)...)
	return len(out.Records) > 0, nil
}
