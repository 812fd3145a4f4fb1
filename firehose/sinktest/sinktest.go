// Package sinktest is the suite that every sink passes: what package firehose
// promises of a Sink, over a real destination. It does not know which.
package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Place is a destination under test.
type Place interface {
	// Open is a sink to the destination.
	Open(t *testing.T) firehose.Sink
	// Objects are what readers of the destination see, by name, as stored.
	Objects(t *testing.T) map[string][]byte
}

// Test runs the suite. encoder makes the encoders of batches.
func Test(t *testing.T, place Place, encoder func(firehose.Format) (firehose.Encoder, error)) {
	s := suite{place, encoder}
	t.Run("probe", s.probe)
	t.Run("deliver and deliver again", s.again)
	t.Run("many at once", s.atOnce)
	t.Run("large", s.large)
	t.Run("cancelled on the way", s.cancelled)
	t.Run("records that have changed", s.changed)
	t.Run("a name that is taken", s.taken)
}

type suite struct {
	place   Place
	encoder func(firehose.Format) (firehose.Encoder, error)
}

// batch makes a batch of n records of a size.
func (s suite) batch(t *testing.T, object string, n, size int) *firehose.Batch {
	t.Helper()
	encoder, err := s.encoder(firehose.Format{Compression: "gzip", Delimiter: "newline"})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, uint64(len(object)*n)))
	var records []shardlog.Record
	var content []byte
	for i := range n {
		data := make([]byte, size)
		for k := range data {
			data[k] = byte('!' + random.IntN(90))
		}
		r := shardlog.Record{Seq: shardlog.Seq(i + 1), Arrived: time.UnixMilli(1_764_000_000_000), Key: "k", Data: data}
		records = append(records, r)
		if content, err = encoder.Frame(content, r); err != nil {
			t.Fatal(err)
		}
	}
	return &firehose.Batch{
		ID: fmt.Sprintf("%x", sha256.Sum256([]byte(object)))[:32], Object: object, Stream: "s", First: 1, Last: shardlog.Seq(n),
		Count: n, Bytes: int64(len(content)), SHA256: sha256.Sum256(content), Encoder: encoder,
		Records: func(context.Context) iter.Seq2[shardlog.Record, error] {
			return func(yield func(shardlog.Record, error) bool) {
				for _, r := range records {
					if !yield(r, nil) {
						return
					}
				}
			}
		},
	}
}

// holds wants the object to be there, with the batch's content.
func (s suite) holds(t *testing.T, b *firehose.Batch) {
	t.Helper()
	stored, ok := s.place.Objects(t)[b.Object]
	if !ok {
		t.Fatalf("%s is not there", b.Object)
	}
	if same, err := b.Verify(bytes.NewReader(stored)); err != nil || !same {
		t.Fatalf("%s has other content: %v", b.Object, err)
	}
}

func (s suite) delivers(t *testing.T, sink firehose.Sink, b *firehose.Batch) firehose.Result {
	t.Helper()
	r := sink.Deliver(t.Context(), b)
	if !r.Done() || r.Err != nil {
		t.Fatalf("%v: %v", r.Class, r.Err)
	}
	return r
}

func (s suite) probe(t *testing.T) {
	if r := s.place.Open(t).Probe(t.Context()); !r.Done() {
		t.Fatalf("%v: %v", r.Class, r.Err)
	}
}

func (s suite) again(t *testing.T) {
	b := s.batch(t, "again/2026/a.gz", 50, 200)
	if r := s.delivers(t, s.place.Open(t), b); r.Already || r.Bytes == 0 {
		t.Errorf("first delivery: %+v", r)
	}
	s.holds(t, b)
	for _, retried := range []bool{false, true} { // the same process, and one after it
		b.Retried = retried
		if r := s.delivers(t, s.place.Open(t), b); !r.Already {
			t.Errorf("delivered again, retried %v: %+v", retried, r)
		}
		s.holds(t, b)
	}
}

func (s suite) atOnce(t *testing.T) {
	sink, b := s.place.Open(t), s.batch(t, "once/b.gz", 200, 500)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if r := sink.Deliver(t.Context(), b); !r.Done() && r.Class != firehose.Transient {
				t.Errorf("%v: %v", r.Class, r.Err)
			}
		})
	}
	all.Wait()
	s.delivers(t, sink, b)
	s.holds(t, b)
}

// large is more than a part of a multipart upload, after compression.
func (s suite) large(t *testing.T) {
	b := s.batch(t, "large/c.gz", 14_000, 1000)
	s.delivers(t, s.place.Open(t), b)
	s.holds(t, b)
}

func (s suite) cancelled(t *testing.T) {
	sink, b := s.place.Open(t), s.batch(t, "cancelled/d.gz", 9_000, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	whole := b.Records
	b.Records = func(c context.Context) iter.Seq2[shardlog.Record, error] {
		return func(yield func(shardlog.Record, error) bool) {
			for r, err := range whole(c) {
				if r.Seq == 8_000 {
					cancel()
				}
				if c.Err() != nil {
					yield(shardlog.Record{}, c.Err())
					return
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	if r := sink.Deliver(ctx, b); r.Done() {
		t.Fatal("a cancelled delivery says it is done")
	}
	if _, seen := s.place.Objects(t)[b.Object]; seen {
		t.Fatal("half an object is visible")
	}
	b.Records, b.Retried = whole, true
	s.delivers(t, sink, b)
	s.holds(t, b)
}

func (s suite) changed(t *testing.T) {
	b := s.batch(t, "changed/e.gz", 100, 100)
	b.SHA256[0] ^= 1
	if r := s.place.Open(t).Deliver(t.Context(), b); r.Done() || !errors.Is(r.Err, firehose.ErrChanged) {
		t.Fatalf("%v: %v", r.Class, r.Err)
	}
	if _, seen := s.place.Objects(t)[b.Object]; seen {
		t.Fatal("what was not sealed is visible")
	}
}

func (s suite) taken(t *testing.T) {
	sink := s.place.Open(t)
	mine, other := s.batch(t, "taken/f.gz", 10, 100), s.batch(t, "taken/f.gz", 11, 100)
	other.ID = "somebody-else"
	s.delivers(t, sink, other)
	mine.Retried = true
	if r := sink.Deliver(t.Context(), mine); r.Class != firehose.Config || r.Err == nil {
		t.Fatalf("%v: %v", r.Class, r.Err)
	}
	s.holds(t, other)
}
