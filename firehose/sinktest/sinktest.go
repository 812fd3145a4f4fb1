// Package sinktest is for tests of sinks: a conformance suite that every sink
// must pass, batches to feed it, and a real S3 server to run it against. It
// knows no sink.
package sinktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Place is a destination that a test can look into.
type Place interface {
	// Sink opens a sink onto the place; each call makes another.
	Sink(t *testing.T) firehose.Sink
	// Objects is what readers of the place see: stored bytes by name.
	Objects(t *testing.T) map[string][]byte
	// Break makes the place unusable in a way that a person must mend, until
	// mend is called.
	Break(t *testing.T) (mend func())
}

// Run is what every sink must pass: each promise of firehose.Sink is one
// subtest. open makes a fresh, empty place; encoder is how batches are
// written. A large batch has several MiB of content that hardly compresses.
func Run(t *testing.T, encoder firehose.Encoder, open func(t *testing.T) Place) {
	RunCareless(t, encoder, open)
	t.Run("redelivery", func(t *testing.T) { redelivery(t, encoder, open(t)) })
	t.Run("other content", func(t *testing.T) { otherContent(t, encoder, open(t)) })
}

// RunCareless is the part of Run that a sink must pass even where the place
// looks at no condition and overwrites in silence.
func RunCareless(t *testing.T, encoder firehose.Encoder, open func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, firehose.Encoder, Place){
		"small batch": oneBatch, "large batch": largeBatch, "overwritten": overwritten, "concurrently": concurrently,
		"changed log": changedLog, "failing log": failingLog, "cut off": cutOff, "broken place": brokenPlace,
	} {
		t.Run(name, func(t *testing.T) { test(t, encoder, open(t)) })
	}
}

// Batch makes a sealed batch of records of the given size; seed decides
// its content and, with the name, its identity.
func Batch(encoder firehose.Encoder, name string, seed uint64, records, size int) *firehose.Batch {
	b := &firehose.Batch{
		Object: name + encoder.Extension(), Stream: "s", First: 1, Last: shardlog.Seq(records), Version: 1,
		Arrived: time.UnixMilli(1.7e12).UTC(), ArrivedLast: time.UnixMilli(1.7e12).UTC(), Count: records, Encoder: encoder,
	}
	b.Records = func(context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range records {
				data := make([]byte, size)
				for j := range data {
					data[j] = 'a' + byte(random.IntN(26))
				}
				if !yield(firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(i + 1), Arrived: b.Arrived, Key: "k", Data: data}}, nil) {
					return
				}
			}
		}
	}
	content := Content(b)
	b.Bytes, b.SHA256 = int64(len(content)), sha256.Sum256(content)
	b.ID = "id-" + name + "-" + hex.EncodeToString(b.SHA256[:8])
	return b
}

// Content is the batch's uncompressed content.
func Content(b *firehose.Batch) []byte {
	var all []byte
	for r, err := range b.Records(context.Background()) {
		if err == nil {
			all, err = b.Encoder.Frame(all, r)
		}
		if err != nil {
			panic(err) // Batch's records have no errors
		}
	}
	return all
}

// deliver delivers and wants success.
func deliver(t *testing.T, s firehose.Sink, b *firehose.Batch) firehose.Result {
	t.Helper()
	r := s.Deliver(t.Context(), b)
	if !r.Done() || r.Err != nil {
		t.Fatalf("deliver %s: %s: %v", b.Object, r.Class, r.Err)
	}
	return r
}

// holds checks that the place holds exactly the batches' objects.
func holds(t *testing.T, p Place, batches ...*firehose.Batch) {
	t.Helper()
	objects := p.Objects(t)
	if len(objects) != len(batches) {
		t.Errorf("%d objects are there, want %d", len(objects), len(batches))
	}
	for _, b := range batches {
		content, err := b.Encoder.Expand(bytes.NewReader(objects[b.Object]))
		if err != nil {
			t.Errorf("object %s: %v", b.Object, err)
			continue
		}
		have, err := io.ReadAll(content)
		if err != nil || !bytes.Equal(have, Content(b)) {
			t.Errorf("object %s holds %d bytes of content that are not the batch's %d (%v)", b.Object, len(have), b.Bytes, err)
		}
	}
}

func oneBatch(t *testing.T, e firehose.Encoder, p Place) {
	s, b := p.Sink(t), Batch(e, "2026/07/01/05/a b+ü=1", 1, 100, 80)
	if r := s.Probe(t.Context()); !r.Done() {
		t.Fatalf("probe: %s: %v", r.Class, r.Err)
	}
	if len(p.Objects(t)) != 0 {
		t.Error("a probe left something")
	}
	if r := deliver(t, s, b); r.Already || r.Bytes != int64(len(p.Objects(t)[b.Object])) {
		t.Errorf("already %v, %d bytes of %d", r.Already, r.Bytes, len(p.Objects(t)[b.Object]))
	}
	holds(t, p, b)
}

func largeBatch(t *testing.T, e firehose.Encoder, p Place) {
	s, b := p.Sink(t), Batch(e, "large/batch", 2, 24, 1<<20)
	deliver(t, s, b)
	holds(t, p, b)
	retry := *b
	retry.Retried = true
	if r := deliver(t, s, &retry); !r.Already {
		t.Error("a large batch was sent twice")
	}
	holds(t, p, b)
}

// overwritten: what is delivered again, seen or not, is there once.
func overwritten(t *testing.T, e firehose.Encoder, p Place) {
	b := Batch(e, "over", 9, 10, 100)
	for _, retried := range []bool{false, false, true} {
		again := *b
		again.Retried = retried
		if r := deliver(t, p.Sink(t), &again); retried && !r.Already {
			t.Error("it was not found there")
		}
	}
	holds(t, p, b)
}

func redelivery(t *testing.T, e firehose.Encoder, p Place) {
	b := Batch(e, "again", 3, 10, 100)
	deliver(t, p.Sink(t), b)
	for _, retried := range []bool{false, true} {
		again := *b
		again.Retried = retried
		if r := deliver(t, p.Sink(t), &again); !r.Already {
			t.Errorf("retried %v: was not found there", retried)
		}
	}
	holds(t, p, b)
}

func concurrently(t *testing.T, e firehose.Encoder, p Place) {
	b, other := Batch(e, "x/same", 4, 50, 1000), Batch(e, "x/other", 5, 50, 1000)
	var all sync.WaitGroup
	results := make([]firehose.Result, 8)
	for i := range results {
		s, one := p.Sink(t), b
		if i == 0 {
			one = other
		}
		all.Go(func() { results[i] = s.Deliver(t.Context(), one) })
	}
	all.Wait()
	for i, r := range results {
		if !r.Done() && r.Class != firehose.Transient {
			t.Errorf("delivery %d: %s: %v", i, r.Class, r.Err)
		}
	}
	deliver(t, p.Sink(t), b)
	deliver(t, p.Sink(t), other)
	holds(t, p, b, other)
}

// otherContent: what stands under our name and is not ours is never
// overwritten, and people are told.
func otherContent(t *testing.T, e firehose.Encoder, p Place) {
	first, second := Batch(e, "mine", 6, 10, 100), Batch(e, "mine", 7, 10, 100)
	deliver(t, p.Sink(t), first)
	for _, retried := range []bool{false, true} {
		second.Retried = retried
		r := p.Sink(t).Deliver(t.Context(), second)
		if r.Class != firehose.Config || r.Err == nil {
			t.Errorf("retried %v: %s: %v", retried, r.Class, r.Err)
		}
	}
	holds(t, p, first)
}

// changedLog: content that is not what was sealed never becomes visible.
func changedLog(t *testing.T, e firehose.Encoder, p Place) {
	for _, records := range []int{10, 24} {
		b := Batch(e, fmt.Sprint("changed", records), 8, records, 1<<20/(25-records))
		b.SHA256[0]++
		if r := p.Sink(t).Deliver(t.Context(), b); r.Done() || !errors.Is(r.Err, firehose.ErrChanged) {
			t.Errorf("%d records: %s: %v", records, r.Class, r.Err)
		}
	}
	holds(t, p)
}

// failingLog: an error of the log is told apart from one of the destination.
func failingLog(t *testing.T, e firehose.Encoder, p Place) {
	b := Batch(e, "failing", 9, 24, 1<<20)
	whole, broken := b.Records, errors.New("log is broken")
	b.Records = stopped(whole, 15, func() error { return broken })
	r := p.Sink(t).Deliver(t.Context(), b)
	var source *firehose.SourceError
	if r.Done() || !errors.As(r.Err, &source) || !errors.Is(r.Err, broken) {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	holds(t, p)
	b.Records, b.Retried = whole, true
	deliver(t, p.Sink(t), b)
	holds(t, p, b)
}

// cutOff: a delivery that ends in the middle leaves nothing visible, and the
// next attempt succeeds.
func cutOff(t *testing.T, e firehose.Encoder, p Place) {
	for _, at := range []int{0, 1, 12, 23} {
		b := Batch(e, fmt.Sprint("cut", at), 10, 24, 1<<18)
		whole := b.Records
		ctx, cancel := context.WithCancel(t.Context())
		b.Records = stopped(whole, at, func() error { cancel(); return ctx.Err() })
		if r := p.Sink(t).Deliver(ctx, b); r.Done() {
			t.Errorf("cut off at record %d and yet delivered", at)
		}
		if _, there := p.Objects(t)[b.Object]; there {
			t.Errorf("cut off at record %d, the object is visible", at)
		}
		cancel()
		b.Records, b.Retried = whole, true
		deliver(t, p.Sink(t), b)
	}
}

// stopped yields records up to a number, then the error.
func stopped(whole func(context.Context) iter.Seq2[firehose.Record, error], at int, cause func() error) func(context.Context) iter.Seq2[firehose.Record, error] {
	return func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			n := 0
			for r, err := range whole(ctx) {
				if n == at {
					yield(firehose.Record{}, cause())
					return
				}
				if n++; !yield(r, err) {
					return
				}
			}
		}
	}
}

// brokenPlace: what people must mend is said to be so, by probe and by
// delivery, and is over once it is mended.
func brokenPlace(t *testing.T, e firehose.Encoder, p Place) {
	s, b := p.Sink(t), Batch(e, "broken", 11, 10, 100)
	mend := p.Break(t)
	for what, r := range map[string]firehose.Result{"probe": s.Probe(t.Context()), "deliver": s.Deliver(t.Context(), b)} {
		if r.Class != firehose.Config && r.Class != firehose.Auth || r.Err == nil {
			t.Errorf("%s: %s: %v", what, r.Class, r.Err)
		}
	}
	mend()
	deliver(t, s, b)
	holds(t, p, b)
}
