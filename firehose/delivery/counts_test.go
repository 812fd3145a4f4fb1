package delivery_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/shardlog/shardlogtest"
)

func TestAttemptsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var throttled atomic.Int64
		throttled.Store(2)
		sink := &shelf{answer: func(b *firehose.Batch) firehose.Result {
			switch {
			case throttled.Add(-1) >= 0:
				return firehose.Fail(firehose.Throttled, errors.New("slowly"))
			case b.Count > 15:
				return firehose.Fail(firehose.TooLarge, errors.New("too large"))
			}
			return firehose.Result{Class: firehose.Delivered}
		}}
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Hour)
		c := d.Status().Counts
		if c.Retries[firehose.Throttled] != 2 || c.Retries[firehose.TooLarge] == 0 || c.Retries[firehose.TooLarge] != c.Bisects || c.Already != 0 {
			t.Errorf("counts %+v", c)
		}
		if _, n := sink.count(); n != 50 {
			t.Errorf("%d records delivered, want 50", n)
		}
	})
}
