package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// slow takes ten records at a time and thirty seconds for them.
type slow struct {
	keeper
	mu2   sync.Mutex
	order []string // guarded by mu2: what came, as it came
}

func (*slow) Caps() firehose.Caps { return firehose.Caps{BatchRecords: 10} }

func (s *slow) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if !s.down.Load() {
		select {
		case <-time.After(30 * time.Second):
		case <-ctx.Done():
			return firehose.Fail(firehose.Transient, errors.New("cut off"))
		}
	}
	r := s.keeper.Deliver(ctx, b)
	if r.Done() {
		s.mu2.Lock()
		defer s.mu2.Unlock()
		_ = b.Each(ctx, func(r firehose.Record, _ []byte) error {
			s.order = append(s.order, string(r.Data))
			return nil
		})
	}
	return r
}

// came is the place of a record among those that came; -1: it did not.
func (s *slow) came(data string) int {
	s.mu2.Lock()
	defer s.mu2.Unlock()
	for i, one := range s.order {
		if one == data {
			return i
		}
	}
	return -1
}

// TestTheNewestGoAheadOfABacklog: after an outage what comes now does not wait
// behind what lay here for hours; in the end each record is there once, over
// restarts and over a second outage in the middle of the first one's backlog.
func TestTheNewestGoAheadOfABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1, Retention: 1000 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		count := 0
		put := func(n int) {
			for range n {
				if _, err := m.Put(t.Context(), "s", []shardlog.Entry{{Key: "k", Data: fmt.Appendf(nil, "r%d", count)}}); err != nil {
					t.Fatal(err)
				}
				count++
			}
		}
		sink := &slow{}
		run := func() (*delivery.Delivery, func()) {
			s := spec()
			s.Compression, s.NewestFirst = encode.None, true
			d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
			if err != nil {
				t.Fatal(err)
			}
			return d, launch(t, d)
		}
		d, stop := run()
		outage := func() {
			sink.down.Store(true)
			for range 60 {
				put(10)
				time.Sleep(2 * time.Minute)
			}
			sink.down.Store(false)
		}
		outage() // 600 records: half an hour of sending
		time.Sleep(5 * time.Minute)
		put(1)
		first := fmt.Sprintf("r%d", count-1)
		time.Sleep(5 * time.Minute)
		if sink.came(first) < 0 || sink.came(first) > 200 {
			t.Errorf("a record of now came at place %d", sink.came(first))
		}
		stop()
		d, stop = run()
		outage()
		time.Sleep(5 * time.Minute)
		put(1)
		second := fmt.Sprintf("r%d", count-1)
		time.Sleep(5 * time.Minute)
		if sink.came(second) < 0 || sink.came(second) > sink.came("r599") && sink.came("r599") >= 0 {
			t.Errorf("a record of now came at place %d", sink.came(second))
		}
		if lag := d.Status().LagRecords; lag == 0 || lag > 1200 {
			t.Errorf("%d records lag", lag)
		}
		time.Sleep(5 * time.Hour)
		lines, _ := sink.all()
		seen := map[string]int{}
		for _, line := range lines {
			seen[line]++
		}
		for i := range count {
			if n := seen[fmt.Sprintf("r%d", i)]; n != 1 {
				t.Errorf("r%d is there %d times", i, n)
			}
		}
		if s := d.Status(); s.LagRecords != 0 || s.Totals.Records != uint64(count) || s.Totals.Missing != 0 {
			t.Errorf("%+v of %d", s, count)
		}
		stop()
		// Then it is in order again.
		d, stop = run()
		defer stop()
		put(5)
		time.Sleep(time.Hour)
		if s := d.Status(); s.Totals.Records != uint64(count) || s.LagRecords != 0 {
			t.Errorf("%+v of %d", s, count)
		}
	})
}
