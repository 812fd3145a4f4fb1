package delivery_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

const obeyed = 2 * time.Second

func TestPauseIsObeyedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &keeper{}
		sink.down.Store(true)
		d, stop := begin(t, m, sink)
		time.Sleep(time.Minute)
		if err := delivery.Pause(ctx, m, "d"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(obeyed)
		sink.down.Store(false)
		time.Sleep(time.Hour)
		if lines, _ := sink.all(); len(lines) != 0 || d.Status().State != delivery.Paused || d.Status().LagRecords != 50 {
			t.Errorf("%d records in the pause, %+v", len(lines), d.Status())
		}
		// Whoever takes over is paused too, from the first.
		stop()
		d, stop = begin(t, m, sink)
		defer stop()
		time.Sleep(time.Hour)
		if lines, _ := sink.all(); len(lines) != 0 || d.Status().State != delivery.Paused {
			t.Errorf("%d records after a change of gateways, %+v", len(lines), d.Status())
		}
		if err := delivery.Resume(ctx, m, "d"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(obeyed)
		if lines, _ := sink.all(); len(lines) != 50 || d.Status().State != delivery.Running {
			t.Errorf("%d records after the pause, want 50: %+v", len(lines), d.Status())
		}
	})
}

// TestAPauseEndsAnAttempt: what hangs must not outlast the pause's two seconds.
func TestAPauseEndsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var busy atomic.Int64
		_, stop := begin(t, m, hanging{&shelf{}, &busy})
		defer stop()
		time.Sleep(time.Minute)
		if busy.Load() == 0 {
			t.Fatal("nothing hangs")
		}
		if err := delivery.Pause(context.Background(), m, "d"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(obeyed)
		if n := busy.Load(); n != 0 {
			t.Errorf("%d attempts go on", n)
		}
	})
}

type hanging struct {
	*shelf
	busy *atomic.Int64
}

func (h hanging) Deliver(ctx context.Context, _ *firehose.Batch) firehose.Result {
	h.busy.Add(1)
	defer h.busy.Add(-1)
	<-ctx.Done()
	return firehose.Fail(firehose.Transient, ctx.Err())
}

func TestSeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &keeper{}
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Minute)
		s, _ := m.Stream("s")
		shard := s.Shards[0]
		n := uint64(shard.Next - 1)
		if err := delivery.Seek(ctx, m, delivery.Target{Delivery: "d", Shard: shard.ID, Next: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(obeyed)
		if got := d.Status().Totals.Records; got != 50+n {
			t.Errorf("%d records delivered, want %d", got, 50+n)
		}
		// The destination sees the same objects again, not others.
		if lines, _ := sink.all(); len(lines) != 50 {
			t.Errorf("%d records at the destination, want 50", len(lines))
		}
	})
}

// TestSeekOverARefusal: an error record tells when the attempt ended, so going
// back makes another error object, which must not stand in the way of itself.
func TestSeekOverARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := shardlogtest.NewMemory()
		fill(t, m, 1)
		sink := &keeper{}
		s := spec()
		s.Compression = encode.None
		d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New, Transform: deny{}, TransformSpec: "deny"})
		if err != nil {
			t.Fatal(err)
		}
		defer launch(t, d)()
		time.Sleep(time.Minute)
		description, _ := m.Stream("s")
		for _, shard := range description.Shards {
			if err := delivery.Seek(ctx, m, delivery.Target{Delivery: "d", Shard: shard.ID, Next: 1}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if got := d.Status(); got.Totals.Refused != 2 || got.LagRecords != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// deny refuses every record, and says when.
type deny struct{}

func (deny) Apply(_ context.Context, in []firehose.Record) (out firehose.Transformed, err error) {
	for _, r := range in {
		out.Refused = append(out.Refused, firehose.Item{Seq: r.Seq, Code: "Denied", Message: "it is"})
	}
	return out, nil
}

func TestSeekSparesWhatMayBeThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
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
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Minute)
		s, _ := m.Stream("s")
		to := delivery.Target{Delivery: "d", Shard: s.Shards[0].ID, Next: s.Shards[0].Next}
		if err := delivery.Seek(ctx, m, to); shardlog.KindOf(err) != shardlog.InUse {
			t.Errorf("a batch that was tried is dropped: %v", err)
		}
		to.Force = true
		if err := delivery.Seek(ctx, m, to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(obeyed)
		down.Store(false)
		time.Sleep(time.Hour)
		want := 50 - int(s.Shards[0].Next-1)
		if _, n := sink.count(); n != want || d.Status().LagRecords != 0 {
			t.Errorf("%d records delivered, want %d: %+v", n, want, d.Status())
		}
	})
}

func TestSeekChecksItsTarget(t *testing.T) {
	m := shardlogtest.NewMemory()
	fill(t, m, 1)
	s, _ := m.Stream("s")
	for want, to := range map[shardlog.Kind]delivery.Target{
		shardlog.Invalid:  {Delivery: "d", Shard: s.Shards[0].ID},
		shardlog.NotFound: {Delivery: "d", Shard: s.Shards[0].ID, Next: 1},
	} {
		if err := delivery.Seek(context.Background(), m, to); shardlog.KindOf(err) != want {
			t.Errorf("%+v: %v", to, err)
		}
	}
}

func TestOrdersAreForgotten(t *testing.T) {
	ctx := context.Background()
	m := shardlogtest.NewMemory()
	if err := delivery.Pause(ctx, m, "d"); err != nil {
		t.Fatal(err)
	}
	if all, err := delivery.List(ctx, m); err != nil || len(all) != 0 {
		t.Errorf("orders are listed as a position: %v, %v", all, err)
	}
	if err := delivery.Forget(ctx, m, "d"); err != nil {
		t.Fatal(err)
	}
	for key := range m.List(ctx, delivery.Space, "") {
		t.Errorf("%s is left", key)
	}
}
