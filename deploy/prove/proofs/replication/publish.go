package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"headgate/deploy/prove/internal/account"
	"headgate/deploy/prove/internal/trio"
	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// story is what happened to the site.
type story struct {
	failovers []time.Duration // from the kill of a leader to the next acknowledged write
	spooled   uint64          // records acknowledged by the gateway that was alone
	refused   bool            // the Kinesis API answered 503 there
	drained   time.Duration   // from the return of the others to an empty spool
}

// publish runs a fleet at each gateway until everything is acknowledged, and
// the faults meanwhile.
func (s *site) publish(ctx context.Context) (*story, error) {
	limit, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	fleets, ctx := errgroup.WithContext(limit)
	for i, g := range s.Gateways {
		f, err := fleet.New(s.fleet(i, g))
		if err != nil {
			return nil, err
		}
		fleets.Go(func() error {
			if err := f.Run(ctx); err != nil {
				return fmt.Errorf("fleet %d: %w", i+1, err)
			}
			return nil
		})
	}
	st := &story{}
	if err := s.killLeaders(ctx, st); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	if err := s.leaveOneAlone(ctx, st); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	return st, fleets.Wait()
}

// killEvery is about how long a leader lives, its election and the return of
// the one before included.
const killEvery = 5 * time.Second

func (s *site) fleet(i int, g *trio.Gateway) fleet.Config {
	faults := time.Duration(s.o.kills)*killEvery + s.o.alone + 8*time.Second
	c := fleet.Config{
		Broker: g.MQTT, Devices: s.o.devices, Messages: s.o.messages, QoS: []byte{1, 1, 2}, Oracle: s.oracle(i), Ramp: 500,
		Rate: float64(s.o.messages) / faults.Seconds(), State: filepath.Join(s.dir, fmt.Sprint("devices", i+1)), Ring: 8 << 20,
		BackoffMax: 2 * time.Second, KeepAlive: time.Minute,
	}
	c.Kinds = []device.Kind{device.Kinds()[i]} // no two fleets have a device in common
	return c
}

// killLeaders kills whoever leads, takes the time until the site stores again,
// and starts the dead one anew.
func (s *site) killLeaders(ctx context.Context, st *story) error {
	for range s.o.kills {
		if err := nap(ctx, time.Duration(500+rand.IntN(1000))*time.Millisecond); err != nil {
			return err
		}
		dead, err := s.Leader(ctx)
		if err != nil {
			return err
		}
		if err := dead.Kill(); err != nil {
			return err
		}
		took, err := s.storesAgain(ctx)
		if err != nil {
			return err
		}
		st.failovers = append(st.failovers, took)
		if err := dead.Start(""); err != nil {
			return err
		}
		if err := dead.Await(ctx, func(now trio.Status) bool { return now.Health.Ready }); err != nil {
			return err
		}
	}
	return nil
}

// storesAgain puts records through all that are left until one is acknowledged.
func (s *site) storesAgain(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stored := make(chan time.Duration, len(s.Gateways))
	var puts errgroup.Group
	for _, g := range s.Gateways {
		if !g.Up() {
			continue
		}
		puts.Go(func() error {
			for ctx.Err() == nil {
				if put(ctx, g, 5*time.Second) == nil {
					stored <- time.Since(began)
					return nil
				}
			}
			return nil
		})
	}
	defer func() { _ = puts.Wait() }() // they have no errors
	defer cancel()
	select {
	case took := <-stored:
		return took, nil
	case <-ctx.Done():
		return 0, errors.Join(errors.New("nothing was stored for a minute"), ctx.Err())
	}
}

// put puts one record into a stream of its own, and gives up soon.
func put(ctx context.Context, g *trio.Gateway, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := account.Client(g.API).PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(probeStream), PartitionKey: aws.String("probe"), Data: []byte("probe")},
		func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	return err
}

// leaveOneAlone kills all but one, sees it acknowledge from its spool, and
// brings the others back.
func (s *site) leaveOneAlone(ctx context.Context, st *story) error {
	last := s.Gateways[rand.IntN(len(s.Gateways))]
	before, err := last.Status(ctx)
	if err != nil {
		return err
	}
	for _, g := range s.Gateways {
		if g != last {
			if err := g.Kill(); err != nil {
				return err
			}
		}
	}
	if err := last.Await(ctx, func(now trio.Status) bool { return now.Site.Spool.Isolated }); err != nil {
		return err
	}
	if err := nap(ctx, s.o.alone); err != nil {
		return err
	}
	var refused *smithyhttp.ResponseError
	st.refused = errors.As(put(ctx, last, 10*time.Second), &refused) && refused.HTTPStatusCode() == 503
	now, err := last.Status(ctx)
	if err != nil {
		return err
	}
	st.spooled = now.Site.Spool.Kept - before.Site.Spool.Kept
	back := time.Now()
	for _, g := range s.Gateways {
		if g != last {
			if err := g.Start(""); err != nil {
				return err
			}
		}
	}
	err = last.Await(ctx, func(now trio.Status) bool { return !now.Site.Spool.Isolated && now.Site.Spool.Records == 0 })
	st.drained = time.Since(back)
	return err
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
