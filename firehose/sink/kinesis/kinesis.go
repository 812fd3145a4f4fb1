// Package kinesis delivers upstream: to a stream of Amazon Kinesis Data Streams,
// to one of Amazon Data Firehose, or to a server that speaks their APIs, such as
// a gateway at headquarters. It does not know what records mean, nor who takes
// them there.
package kinesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a stream and who may write to it.
type Config struct {
	Stream    string
	Delivery  bool   // it is a delivery stream of Data Firehose
	Region    string // empty: us-east-1
	Endpoint  string // empty: Amazon's; else a URL
	AccessKey string
	SecretKey string
	Client    *http.Client // nil: the SDK's
}

// The limits of one request ("PutRecords", Kinesis Data Streams API
// reference), less room for keys.
const (
	mostRecords    = 500
	mostBytes      = 4 << 20
	recordBytes    = 1 << 20
	deliveredBytes = 1000 << 10 // of one record, for Data Firehose
)

const (
	rounds     = 6 // of a request whose entries were refused in part
	firstPause = 100 * time.Millisecond
)

// Sink is a stream.
type Sink struct {
	name        string
	recordBytes int
	door        door
}

// door is one of the two APIs.
type door interface {
	// look asks whether the stream is there and takes our credentials.
	look(ctx context.Context) error
	// put puts entries once and answers those that were not taken, in order,
	// with the reason of the first.
	put(ctx context.Context, entries []entry) (refused []entry, why, err error)
}

// entry is one record on its way.
type entry struct {
	data []byte
	key  string
	hash string // explicit; empty: by the key
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Stream == "" || c.AccessKey == "" || c.SecretKey == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Kinesis sink", "a stream, an access key and a secret key are needed")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	s, open := &Sink{name: "kinesis:" + c.Stream, recordBytes: recordBytes}, openStream
	if c.Delivery {
		s.name, s.recordBytes, open = "firehose:"+c.Stream, deliveredBytes, openDelivery
	}
	var err error
	if s.door, err = open(c); err != nil {
		return nil, err
	}
	if c.Endpoint != "" {
		s.name += " at " + c.Endpoint
	}
	return s, nil
}

// Caps make one batch one request, so that nothing is sent of a batch that is
// not what was sealed.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: s.recordBytes, BatchBytes: mostBytes, BatchRecords: mostRecords}
}

// String is the stream.
func (s *Sink) String() string { return s.name }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe asks whether the stream exists and takes our credentials.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	if err := s.door.look(ctx); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver puts the records under their own partition keys. What the stream
// takes only in part is tried again here, so that the rest is not doubled; a
// batch that comes again is put again whole.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	var entries []entry
	var sent int64
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		e := entry{data: append([]byte(nil), r.Data...), key: r.Key}
		if r.Hash != nil {
			e.hash = r.Hash.String()
		}
		entries, sent = append(entries, e), sent+int64(len(r.Data)+len(r.Key))
		return nil
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	for pause := firstPause; ; pause *= 2 {
		refused, why, err := s.door.put(ctx, entries)
		switch {
		case err != nil:
			return classify(err)
		case len(refused) == 0:
			return firehose.Result{Class: firehose.Delivered, Bytes: sent}
		case pause > firstPause<<rounds:
			return firehose.Fail(firehose.Throttled, fmt.Errorf("%d of %d records were not taken: %w", len(refused), b.Count, why))
		}
		entries = refused
		if err := rest(ctx, time.Duration(rand.Int64N(int64(pause)))); err != nil {
			return firehose.Fail(firehose.Transient, err)
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
