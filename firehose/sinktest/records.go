package sinktest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Desk is a destination of single records that a test can look into.
type Desk interface {
	// Sink opens a sink onto the desk; each call makes another.
	Sink(t *testing.T) firehose.Sink
	// Documents is what readers see of the records of Documents batches: for
	// each one its fields "batch" and "n", as "batch/n". One that is there
	// twice is listed twice. It waits where the destination shows what it
	// took only after a while.
	Documents(t *testing.T) []string
	// Break makes the desk unusable in a way that a person must mend, until
	// mend is called.
	Break(t *testing.T) (mend func())
}

// Guarantee is what a sink of records promises.
type Guarantee struct {
	// Exact: what is delivered again is there once. Else it may be there twice.
	Exact bool
	// Poison is data that the destination refuses, alone among others that it
	// takes, and says so. Empty: there is none.
	Poison string
}

// RunRecords is what every sink of single records must pass.
func RunRecords(t *testing.T, encoder firehose.Encoder, g Guarantee, open func(t *testing.T) Desk) {
	suite := records{encoder, g}
	for name, test := range map[string]func(*testing.T, Desk){
		"one batch": suite.one, "many records": suite.many, "redelivery": suite.again, "concurrently": suite.concurrently,
		"changed log": suite.changed, "failing log": suite.failing, "cut off": suite.cutOff, "broken place": suite.broken, "poison": suite.poison,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

type records struct {
	encoder firehose.Encoder
	promise Guarantee
}

// Documents makes a sealed batch of JSON documents of about the given size,
// each with the batch's name and its number from 1.
func Documents(encoder firehose.Encoder, name string, count, size int) *firehose.Batch {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return Sealed(&firehose.Batch{
		Object: name + encoder.Extension(), Stream: "s", Source: "site-7-2-" + name, Shard: shardlog.ShardID{Stream: 7, Number: 2}, First: 1, Last: shardlog.Seq(count), Version: 1,
		Arrived: now, ArrivedLast: now, Encoder: encoder,
		Records: func(context.Context) iter.Seq2[firehose.Record, error] {
			return func(yield func(firehose.Record, error) bool) {
				for n := 1; n <= count; n++ {
					data := fmt.Appendf(nil, `{"batch":%q,"n":%d,"message":"document %d","pad":%q}`, name, n, n, strings.Repeat("x", max(0, size-60)))
					if !yield(firehose.Record{Record: shardlog.Record{Seq: shardlog.Seq(n), Arrived: now, Key: fmt.Sprint("device-", n%3), Data: data}}, nil) {
						return
					}
				}
			}
		},
	})
}

// Sealed fills in what follows from the batch's records: count, size, hash,
// and an id that is a UUID and the same for the same name and content.
func Sealed(b *firehose.Batch) *firehose.Batch {
	b.Count = 0
	for range b.Records(context.Background()) {
		b.Count++
	}
	content := Content(b)
	b.Bytes, b.SHA256 = int64(len(content)), sha256.Sum256(content)
	sum := sha256.Sum256(append([]byte(b.Object), b.SHA256[:]...))
	h := hex.EncodeToString(sum[:16])
	b.ID = fmt.Sprintf("%s-%s-5%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
	return b
}

// holds checks that the desk holds the documents of the batches, and no others.
func (s records) holds(t *testing.T, d Desk, batches ...*firehose.Batch) {
	t.Helper()
	found, want := map[string]int{}, map[string]bool{}
	for _, id := range d.Documents(t) {
		found[id]++
	}
	for _, b := range batches {
		for n := 1; n <= b.Count; n++ {
			want[fmt.Sprintf("%s/%d", strings.TrimSuffix(b.Object, b.Encoder.Extension()), n)] = true
		}
	}
	var missing, doubled, foreign []string
	for id := range want {
		switch n := found[id]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1 && s.promise.Exact:
			doubled = append(doubled, id)
		}
	}
	for id := range maps.Keys(found) {
		if !want[id] {
			foreign = append(foreign, id)
		}
	}
	for what, ids := range map[string][]string{"missing": missing, "there more than once": doubled, "not expected": foreign} {
		if slices.Sort(ids); len(ids) > 0 {
			t.Errorf("%d documents are %s: %s …", len(ids), what, ids[0])
		}
	}
}

func (s records) one(t *testing.T, d Desk) {
	k, b := d.Sink(t), Documents(s.encoder, "one", 10, 200)
	if r := k.Probe(t.Context()); !r.Done() {
		t.Fatalf("probe: %s: %v", r.Class, r.Err)
	}
	if found := d.Documents(t); len(found) > 0 {
		t.Errorf("a probe left %v", found)
	}
	if r := deliver(t, k, b); r.Already || r.Bytes <= 0 {
		t.Errorf("already %v, %d bytes", r.Already, r.Bytes)
	}
	s.holds(t, d, b)
}

func (s records) many(t *testing.T, d Desk) {
	k := d.Sink(t)
	caps := k.Caps()
	count := 2000
	if caps.BatchRecords > 0 {
		count = min(count, caps.BatchRecords)
	}
	if caps.BatchBytes > 0 {
		count = min(count, int(caps.BatchBytes/300))
	}
	b := Documents(s.encoder, "many", count, 250)
	deliver(t, k, b)
	s.holds(t, d, b)
}

func (s records) again(t *testing.T, d Desk) {
	b := Documents(s.encoder, "again", 20, 200)
	deliver(t, d.Sink(t), b)
	for _, retried := range []bool{false, true} {
		again := *b
		again.Retried = retried
		deliver(t, d.Sink(t), &again)
	}
	s.holds(t, d, b)
}

func (s records) concurrently(t *testing.T, d Desk) {
	k := d.Sink(t)
	var batches []*firehose.Batch
	var all sync.WaitGroup
	for i := range 4 {
		b := Documents(s.encoder, fmt.Sprint("beside", i), 25, 200)
		b.Shard.Number = uint32(i)
		batches = append(batches, b)
		all.Go(func() {
			if r := k.Deliver(t.Context(), b); !r.Done() {
				t.Errorf("%s: %v", r.Class, r.Err)
			}
		})
	}
	all.Wait()
	s.holds(t, d, batches...)
}

// changed: a batch that is not what was sealed is not called delivered.
func (s records) changed(t *testing.T, d Desk) {
	b := Documents(s.encoder, "changed", 10, 200)
	b.SHA256[0]++
	if r := d.Sink(t).Deliver(t.Context(), b); r.Done() || !errors.Is(r.Err, firehose.ErrChanged) {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

// failing: an error of the log is told apart from one of the destination.
func (s records) failing(t *testing.T, d Desk) {
	b := Documents(s.encoder, "failing", 24, 200)
	whole, broken := b.Records, errors.New("log is broken")
	b.Records = stopped(whole, 15, func() error { return broken })
	r := d.Sink(t).Deliver(t.Context(), b)
	var source *firehose.SourceError
	if r.Done() || !errors.As(r.Err, &source) || !errors.Is(r.Err, broken) {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	b.Records, b.Retried = whole, true
	deliver(t, d.Sink(t), b)
	s.holds(t, d, b)
}

// cutOff: after a delivery that ended in the middle the next one makes it whole.
func (s records) cutOff(t *testing.T, d Desk) {
	b := Documents(s.encoder, "cut", 24, 200)
	whole := b.Records
	for _, at := range []int{0, 1, 12, 23} {
		ctx, cancel := context.WithCancel(t.Context())
		b.Records = stopped(whole, at, func() error { cancel(); return ctx.Err() })
		if r := d.Sink(t).Deliver(ctx, b); r.Done() {
			t.Errorf("cut off at record %d and yet delivered", at)
		}
		cancel()
	}
	b.Records, b.Retried = whole, true
	deliver(t, d.Sink(t), b)
	s.holds(t, d, b)
}

// broken: what people must mend is said to be so, and is over once it is mended.
func (s records) broken(t *testing.T, d Desk) {
	k, b := d.Sink(t), Documents(s.encoder, "broken", 10, 200)
	mend := d.Break(t)
	r := k.Deliver(t.Context(), b)
	if r.Class != firehose.Config && r.Class != firehose.Auth || r.Err == nil {
		t.Errorf("deliver: %s: %v", r.Class, r.Err)
	}
	mend()
	b.Retried = true
	deliver(t, k, b)
	s.holds(t, d, b)
}

// poison: a record that the destination refuses is named, or the batch is
// called poison so that it is halved, and the others arrive without it.
func (s records) poison(t *testing.T, d Desk) {
	if s.promise.Poison == "" {
		t.Skip("this destination refuses no single record")
	}
	b := Documents(s.encoder, "poison", 10, 200)
	good := b.Records
	r := d.Sink(t).Deliver(t.Context(), Replaced(b, 4, s.promise.Poison))
	if r.Class != firehose.Poison || r.Err == nil {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	for _, item := range r.Items {
		if item.Seq != 4 || item.Code == "" {
			t.Errorf("record %d is at fault: %s %s", item.Seq, item.Code, item.Message)
		}
	}
	without := *b
	without.Retried, without.Records = true, dropped(good, 4)
	deliver(t, d.Sink(t), Sealed(&without))
	found := map[string]bool{}
	for _, id := range d.Documents(t) {
		found[id] = true
	}
	for n := 1; n <= 10; n++ {
		if there := found[fmt.Sprintf("poison/%d", n)]; there != (n != 4) {
			t.Errorf("document %d is there: %v", n, there)
		}
	}
}

// Stopped yields records up to a number, then the error.
func Stopped(all func(context.Context) iter.Seq2[firehose.Record, error], at int, cause error) func(context.Context) iter.Seq2[firehose.Record, error] {
	return stopped(all, at, func() error { return cause })
}

// Arrived yields the records as if all had arrived at one time.
func Arrived(all func(context.Context) iter.Seq2[firehose.Record, error], at time.Time) func(context.Context) iter.Seq2[firehose.Record, error] {
	return func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range all(ctx) {
				r.Arrived = at
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// Replaced puts data in the place of one record's, and seals the batch anew.
func Replaced(b *firehose.Batch, seq shardlog.Seq, data string) *firehose.Batch {
	b.Records = replaced(b.Records, seq, data)
	return Sealed(b)
}

func replaced(all func(context.Context) iter.Seq2[firehose.Record, error], seq shardlog.Seq, data string) func(context.Context) iter.Seq2[firehose.Record, error] {
	return func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range all(ctx) {
				if r.Seq == seq {
					r.Data = []byte(data)
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

func dropped(all func(context.Context) iter.Seq2[firehose.Record, error], seq shardlog.Seq) func(context.Context) iter.Seq2[firehose.Record, error] {
	return func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range all(ctx) {
				if r.Seq != seq && !yield(r, err) {
					return
				}
			}
		}
	}
}
