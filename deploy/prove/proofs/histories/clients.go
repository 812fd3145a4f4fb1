package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/deploy/prove/proofs/histories/history"
)

// clients are AWS SDKs on every host, which put and read and note it all.
type clients struct {
	site     *site
	recorder *recorder
	sdk      []*kinesis.Client // of each gateway
	shards   []shard
}

// shard is a shard and a hash key that leads to it.
type shard struct{ id, hash string }

const (
	stream  = "histories"
	timeout = 2500 * time.Millisecond // of one call; after it the outcome is unknown
)

// begin makes the stream.
func (c *clients) begin(ctx context.Context) error {
	for _, g := range c.site.gateways {
		c.sdk = append(c.sdk, kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://127.0.0.1:" + apiPort), Region: "eu-central-1",
			Credentials: credentials.NewStaticCredentialsProvider("any", "thing", ""), HTTPClient: g.client(), Retryer: aws.NopRetryer{}}))
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	err := until(ctx, func() error {
		_, err := c.sdk[0].CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(int32(c.site.o.shards))})
		var there *types.ResourceInUseException
		if errors.As(err, &there) {
			return nil
		}
		return err
	})
	for n := range c.sdk {
		err = errors.Join(err, until(ctx, func() error { return c.list(ctx, n) }))
	}
	return err
}

// list reads the shards through a gateway.
func (c *clients) list(ctx context.Context, n int) error {
	out, err := c.sdk[n].ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(stream)})
	if err != nil {
		return err
	}
	if len(out.Shards) != c.site.o.shards {
		return fmt.Errorf("%d shards", len(out.Shards))
	}
	c.shards = nil
	for _, s := range out.Shards {
		c.shards = append(c.shards, shard{*s.ShardId, *s.HashKeyRange.StartingHashKey})
	}
	return nil
}

// until tries until it works, or the stream is gone, or ctx ends.
func until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		if errors.Is(err, errGone) || pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// run puts and reads until ctx ends; calls that are open then are waited for.
func (c *clients) run(ctx context.Context, seed uint64) {
	var busy sync.WaitGroup
	for n := range c.site.gateways {
		for w := range c.site.o.writers {
			random := rand.New(rand.NewPCG(seed, uint64(100+n*100+w)))
			busy.Go(func() { c.write(ctx, n, fmt.Sprintf("w%d.%d", n+1, w+1), random) })
		}
		for at := range c.shards {
			random := rand.New(rand.NewPCG(seed, uint64(10_000+n*100+at)))
			r := &reader{c: c, name: fmt.Sprintf("r%d.%d", n+1, at+1), home: n, shard: c.shards[at], random: random}
			busy.Go(func() { r.run(ctx) })
		}
	}
	for at := range c.shards { // readers that go from gateway to gateway, page by page
		random := rand.New(rand.NewPCG(seed, uint64(20_000+at)))
		r := &reader{c: c, name: fmt.Sprintf("hopper.%d", at+1), home: -1, shard: c.shards[at], random: random}
		busy.Go(func() { r.run(ctx) })
	}
	busy.Wait()
}

// write puts one record after the other through one gateway.
func (c *clients) write(ctx context.Context, n int, name string, random *rand.Rand) {
	for i := 1; ctx.Err() == nil; i++ {
		p := c.put(ctx, n, name, fmt.Sprintf("%s-%d", name, i), c.shards[random.IntN(len(c.shards))])
		wait := between(random, 0, 10)
		if p.Outcome != history.Stored {
			wait = between(random, 20, 100)
		}
		_ = pause(ctx, wait) // the loop looks at ctx
	}
}

// put makes one attempt to put one record, and notes what became of it.
func (c *clients) put(ctx context.Context, n int, name, value string, to shard) history.Put {
	call, stop := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer stop()
	p := history.Put{Client: name, Shard: to.id, Value: value, Called: c.recorder.since()}
	out, err := c.sdk[n].PutRecord(call, &kinesis.PutRecordInput{StreamName: aws.String(stream), Data: []byte(value),
		PartitionKey: aws.String(name), ExplicitHashKey: aws.String(to.hash)})
	p.Ended = c.recorder.since()
	switch {
	case err == nil:
		p.Outcome, p.Number = history.Stored, *out.SequenceNumber
	case certain(err):
		p.Outcome, p.Error = history.Refused, nameOf(err)
	default:
		p.Outcome, p.Error = history.Unknown, nameOf(err)
	}
	c.recorder.put(p)
	return p
}

// certain reports whether a put with this error was certainly not taken: it
// never reached a gateway, or one said that it did not take it.
func certain(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return true
	}
	var throttled *types.ProvisionedThroughputExceededException
	var missing *types.ResourceNotFoundException
	return errors.As(err, &throttled) || errors.As(err, &missing)
}
