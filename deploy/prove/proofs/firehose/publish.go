package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"headgate/deploy/prove/internal/account"
)

// story is what happened while records were put.
type story struct {
	kills     int
	afterCut  uint64        // records delivered after the outage of the uplink
	mended    time.Duration // until its backlog was gone
	producers []*producer   // one of each delivery
}

// producer puts numbered records until it is told to stop, again and again
// until they are acknowledged. A record has two lives when an answer got lost.
type producer struct {
	rate  int
	put   func(ctx context.Context, records [][]byte) (failed []bool, err error)
	acked map[string]bool // owned by run
}

// beat is how often a producer puts.
const beat = 20 * time.Millisecond

// run ends, without an error, once done is closed and what was begun is
// acknowledged.
func (p *producer) run(ctx context.Context, name string, done <-chan struct{}) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for next := 0; ; {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var records [][]byte
		for range max(1, int(float64(p.rate)*beat.Seconds())) {
			records = append(records, fmt.Appendf(nil, `{"id":"%s-%d","temperature":%d.5}`+"\n", name, next, next%40))
			next++
		}
		for len(records) > 0 {
			records = p.try(ctx, records)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
}

// try puts records and answers those that are not acknowledged.
func (p *producer) try(ctx context.Context, records [][]byte) (left [][]byte) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	failed, err := p.put(ctx, records)
	if err != nil {
		_ = nap(ctx, 50*time.Millisecond) // the gateway is dead: soon it is not
		return records
	}
	for i, r := range records {
		if failed[i] {
			left = append(left, r)
			continue
		}
		p.acked[string(r)] = true
	}
	return left
}

func (s *site) direct() *producer {
	client := s.firehose()
	return &producer{rate: s.o.rate, acked: map[string]bool{}, put: func(ctx context.Context, records [][]byte) ([]bool, error) {
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: aws.String("direct")}
		for _, r := range records {
			in.Records = append(in.Records, types.Record{Data: r})
		}
		out, err := client.PutRecordBatch(ctx, in)
		if err != nil {
			return nil, err
		}
		failed := make([]bool, len(records))
		for i, r := range out.RequestResponses {
			failed[i] = r.RecordId == nil
		}
		return failed, nil
	}}
}

func (s *site) kinesis() *producer {
	client := account.Client(s.api)
	return &producer{rate: s.o.rate, acked: map[string]bool{}, put: func(ctx context.Context, records [][]byte) ([]bool, error) {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("telemetry")}
		for i, r := range records {
			in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: r, PartitionKey: aws.String(fmt.Sprint("device-", i))})
		}
		out, err := client.PutRecords(ctx, in, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
		if err != nil {
			return nil, err
		}
		failed := make([]bool, len(records))
		for i, r := range out.Records {
			failed[i] = r.ErrorCode != nil
		}
		return failed, nil
	}}
}

// publish runs both producers, and the faults meanwhile.
func (s *site) publish(ctx context.Context) (*story, error) {
	st := &story{producers: []*producer{s.direct(), s.kinesis()}}
	producers, ctx := errgroup.WithContext(ctx)
	done := make(chan struct{})
	for i, p := range st.producers {
		producers.Go(func() error { return p.run(ctx, s.deliveries[i].name, done) })
	}
	err := s.faults(ctx, st)
	close(done)
	return st, errors.Join(err, producers.Wait())
}

func (s *site) faults(ctx context.Context, st *story) error {
	for range s.o.kills {
		if err := s.killOnce(ctx, st, time.Duration(200+rand.IntN(2500))*time.Millisecond); err != nil {
			return err
		}
	}
	if err := s.cutUplink(ctx, st); err != nil {
		return err
	}
	// The S3 server dies, the gateway dies meanwhile, and again while it drains.
	if err := kill(s.server); err != nil {
		return err
	}
	if err := s.killOnce(ctx, st, s.o.outage/2); err != nil {
		return err
	}
	if err := nap(ctx, s.o.outage/2); err != nil {
		return err
	}
	if err := s.startServer(); err != nil {
		return err
	}
	for range 3 {
		if err := s.killOnce(ctx, st, time.Duration(500+rand.IntN(1500))*time.Millisecond); err != nil {
			return err
		}
	}
	return nap(ctx, time.Second)
}

func (s *site) killOnce(ctx context.Context, st *story, after time.Duration) error {
	if err := nap(ctx, after); err != nil {
		return err
	}
	if err := kill(s.gateway); err != nil {
		return err
	}
	st.kills++
	return s.start(ctx)
}

// cutUplink has the gateway cut its own uplink and account for it.
func (s *site) cutUplink(ctx context.Context, st *story) error {
	out, err := s.run(ctx, "simulate-outage", "--uplink", "--for", s.o.outage.String(), "-o", "json")
	if err != nil {
		return err
	}
	var report struct {
		Mended    time.Duration `json:"mended_ns"`
		Delivered uint64        `json:"delivered"`
		Whole     bool          `json:"whole"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return err
	}
	st.afterCut, st.mended = report.Delivered, report.Mended
	if !report.Whole {
		return errors.New("simulate-outage says that records are missing")
	}
	return nil
}
