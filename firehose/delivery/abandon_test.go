package delivery_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog/shardlogtest"
)

// TestARetryEndsInTheErrorOutput: what a destination does not take for as long
// as the delivery says goes there whole, by the clock of the link alone, and
// is what it was.
func TestARetryEndsInTheErrorOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 200)
		down, refused := &keeper{}, &keeper{}
		down.down.Store(true)
		var up atomic.Int64
		s := spec()
		retry := delivery.Duration(10 * time.Minute)
		s.Compression, s.Retry = encode.None, &retry
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: down, Errors: refused, Encoder: encode.New,
			Uptime: func() time.Duration { return time.Duration(up.Load()) }})
		if err != nil {
			t.Fatal(err)
		}
		stop := launch(t, d)
		time.Sleep(72 * time.Hour) // without a link
		if lines, _ := refused.all(); len(lines) != 0 || d.Status().LagRecords != 200 {
			t.Errorf("%d records given up without a link", len(lines))
		}
		up.Store(int64(9 * time.Minute))
		time.Sleep(time.Hour)
		if lines, _ := refused.all(); len(lines) != 0 {
			t.Errorf("%d records given up too early", len(lines))
		}
		up.Store(int64(11 * time.Minute))
		time.Sleep(time.Hour)
		lines, _ := refused.all()
		for _, line := range lines {
			if !strings.Contains(line, "Destination.RetriesExhausted") || !strings.Contains(line, "no route") {
				t.Error(line)
			}
		}
		if got := d.Status(); len(lines) != 200 || got.Totals.Refused != 200 || got.Totals.Records != 0 || got.LagRecords != 0 {
			t.Errorf("%d records in the error output, %+v", len(lines), got)
		}
		// What comes later is delivered, and another process finds the same.
		down.down.Store(false)
		stop()
		fill(t, m, 10)
		d, stop = begin(t, m, down)
		time.Sleep(time.Hour)
		if got, _ := down.all(); len(got) != 10 {
			t.Errorf("%d records later", len(got))
		}
		stop()
	})
}

// TestARetryIsGivenUpOnce: the process that gives up dies before the error
// object is there; the next one sends the same.
func TestARetryIsGivenUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		down, refused := &keeper{}, &keeper{}
		down.down.Store(true)
		refused.down.Store(true)
		s := spec()
		retry := delivery.Duration(time.Minute)
		s.Compression, s.Retry = encode.None, &retry
		run := func() (*delivery.Delivery, func()) {
			d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: down, Errors: refused, Encoder: encode.New})
			if err != nil {
				t.Fatal(err)
			}
			return d, launch(t, d)
		}
		_, stop := run()
		time.Sleep(time.Hour)
		stop()
		refused.down.Store(false)
		down.down.Store(false)
		d, stop := run()
		defer stop()
		time.Sleep(time.Hour)
		lines, _ := refused.all()
		if got, _ := down.all(); len(lines) != 50 || len(got) != 0 || d.Status().Totals.Refused != 50 {
			t.Errorf("%d given up, %d delivered, %+v", len(lines), len(got), d.Status())
		}
	})
}

// TestOneOutputIsTriedForEver: there is no other to divert to.
func TestOneOutputIsTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var down atomic.Bool
		down.Store(true)
		sink := &shelf{answer: func(*firehose.Batch) firehose.Result {
			if down.Load() {
				return firehose.Fail(firehose.Transient, errors.New("no route"))
			}
			return firehose.Result{Class: firehose.Delivered}
		}}
		s := spec()
		retry := delivery.Duration(time.Minute)
		s.Retry = &retry
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
		if err != nil {
			t.Fatal(err)
		}
		defer launch(t, d)()
		time.Sleep(72 * time.Hour)
		down.Store(false)
		time.Sleep(time.Hour)
		if got := d.Status(); got.Totals.Records != 50 || got.Totals.Refused != 0 {
			t.Error(fmt.Sprintf("%+v", got))
		}
	})
}
