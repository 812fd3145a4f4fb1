package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"headgate/deploy/prove/proofs/histories/history"
)

// reader reads one shard, through one gateway or through all in turn.
type reader struct {
	c      *clients
	name   string
	home   int // index of its gateway, -1 for any
	shard  shard
	random *rand.Rand
	last   string // the last number it has read
}

// run reads with one iterator after the other: from the start, then after
// what it has read or from the end.
func (r *reader) run(ctx context.Context) {
	for start := history.Horizon; ctx.Err() == nil; start = r.next() {
		if id, token, ok := r.open(ctx, start); ok {
			r.follow(ctx, id, token)
		}
		_ = pause(ctx, between(r.random, 10, 100)) // the loop looks at ctx
	}
}

// follow reads with one iterator, until it has expired or was used enough.
func (r *reader) follow(ctx context.Context, id int, token *string) {
	most := 5 + r.random.IntN(100)
	for pages, faults := 0, 0; ctx.Err() == nil && pages < most && faults < 10; pages++ {
		next, err := r.page(ctx, id, token)
		var expired *types.ExpiredIteratorException
		switch {
		case errors.As(err, &expired):
			r.c.recorder.failed(err)
			return
		case err != nil:
			r.c.recorder.failed(err)
			faults++
		default:
			token = next
		}
		_ = pause(ctx, between(r.random, 20, 80)) // the loop looks at ctx
	}
}

func (r *reader) next() history.Start {
	if r.last == "" || r.random.IntN(3) == 0 {
		return history.Latest
	}
	return history.After
}

func (r *reader) gateway() int {
	if r.home < 0 {
		return r.random.IntN(len(r.c.sdk))
	}
	return r.home
}

// open makes an iterator.
func (r *reader) open(ctx context.Context, start history.Start) (id int, token *string, ok bool) {
	call, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	i := history.Iterator{Client: r.name, Shard: r.shard.id, Start: start, Called: r.c.recorder.since()}
	in := &kinesis.GetShardIteratorInput{StreamName: aws.String(stream), ShardId: aws.String(r.shard.id), ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	switch start {
	case history.Latest:
		in.ShardIteratorType = types.ShardIteratorTypeLatest
	case history.After:
		in.ShardIteratorType, in.StartingSequenceNumber, i.Number = types.ShardIteratorTypeAfterSequenceNumber, aws.String(r.last), r.last
	}
	out, err := r.c.sdk[r.gateway()].GetShardIterator(call, in)
	if err != nil {
		r.c.recorder.failed(err)
		return 0, nil, false
	}
	i.Ended = r.c.recorder.since()
	return r.c.recorder.iterator(i), out.ShardIterator, true
}

// page reads one page. The token of a page that failed stays good.
func (r *reader) page(ctx context.Context, id int, token *string) (*string, error) {
	call, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	n := r.gateway()
	page := history.Read{Iterator: id, Gateway: n + 1, Called: r.c.recorder.since()}
	out, err := r.c.sdk[n].GetRecords(call, &kinesis.GetRecordsInput{ShardIterator: token, Limit: aws.Int32(500)})
	if err != nil {
		return nil, err
	}
	page.Ended, page.Records = r.c.recorder.since(), records(out.Records)
	if len(page.Records) > 0 {
		r.last = page.Records[len(page.Records)-1].Number
		r.c.recorder.read(page)
	}
	if out.NextShardIterator == nil {
		return nil, errors.New("the shard has ended")
	}
	return out.NextShardIterator, nil
}

func records(all []types.Record) (some []history.Record) {
	for _, r := range all {
		some = append(some, history.Record{Number: *r.SequenceNumber, Value: string(r.Data)})
	}
	return some
}

// nameOf is an error in a word or two.
func nameOf(err error) string {
	var api smithy.APIError
	var network net.Error
	switch {
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	case strings.Contains(err.Error(), "connection refused"):
		return "connection refused"
	}
	for _, end := range []string{"connection reset", "EOF", "broken pipe", "closed network connection"} {
		if strings.Contains(err.Error(), end) {
			return "connection reset"
		}
	}
	return err.Error()
}

// together is how long the gateways may take to show one log when all is
// well, and still how long it must stay as it is.
const (
	together = 90 * time.Second
	still    = 3 * time.Second
)
