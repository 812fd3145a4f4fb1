package delivery_test

import (
	"context"
	"errors"
	"strings"
	"sync"
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

// shelf is a sink in memory that answers as it is told.
type shelf struct {
	answer func(*firehose.Batch) firehose.Result // nil: take it
	probe  func() firehose.Result                // nil: reachable

	mu      sync.Mutex
	tries   int                       // guarded by mu
	objects map[string][]shardlog.Seq // guarded by mu
	batches map[string]firehose.Batch // guarded by mu
}

func (s *shelf) Caps() firehose.Caps { return firehose.Caps{} }
func (s *shelf) String() string      { return "shelf" }
func (s *shelf) Close() error        { return nil }

func (s *shelf) Probe(context.Context) firehose.Result {
	if s.probe != nil {
		return s.probe()
	}
	return firehose.Result{Class: firehose.Delivered}
}

func (s *shelf) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	s.mu.Lock()
	s.tries++
	s.mu.Unlock()
	if s.answer != nil {
		if r := s.answer(b); !r.Done() {
			return r
		}
	}
	var all []shardlog.Seq
	for r, err := range b.Records(ctx) {
		if err != nil {
			return firehose.Fail(firehose.Transient, &firehose.SourceError{Err: err})
		}
		all = append(all, r.Seq)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects, s.batches = map[string][]shardlog.Seq{}, map[string]firehose.Batch{}
	}
	s.objects[b.Object], s.batches[b.Object] = all, *b
	return firehose.Result{Class: firehose.Delivered}
}

func (s *shelf) count() (tries, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.objects {
		records += len(all)
	}
	return s.tries, records
}

// begin runs a delivery until stop, inside a synctest bubble.
func begin(t *testing.T, m *shardlogtest.Memory, sink firehose.Sink) (d *delivery.Delivery, stop func()) {
	t.Helper()
	d, err := delivery.New(delivery.Config{Spec: spec(), Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New})
	if err != nil {
		t.Fatal(err)
	}
	return d, launch(t, d)
}

func launch(t *testing.T, d *delivery.Delivery) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestALogThatIsUnavailableIsTriedAgain: an error of the log must not end a delivery.
func TestALogThatIsUnavailableIsTriedAgain(t *testing.T) {
	for _, op := range []string{"read", "wait", "get"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := shardlogtest.NewMemory()
				fill(t, m, 50)
				var fails atomic.Int64
				fails.Store(4)
				m.Fail = func(what string) error {
					if what == op && fails.Add(-1) >= 0 {
						return shardlog.Errorf(shardlog.Unavailable, op, "not now")
					}
					return nil
				}
				sink := &shelf{}
				_, stop := begin(t, m, sink)
				defer stop()
				time.Sleep(10 * time.Minute)
				if _, n := sink.count(); n != 50 {
					t.Errorf("%d records delivered after the log came back, want 50", n)
				}
			})
		})
	}
}

// TestASecondRunGoesOn: a gateway may lead, lose the lead while an attempt
// waits at the gate, and lead again.
func TestASecondRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var down atomic.Bool
		down.Store(true)
		sink := &shelf{answer: func(*firehose.Batch) firehose.Result {
			if down.Load() {
				return firehose.Fail(firehose.Auth, errors.New("no"))
			}
			return firehose.Result{Class: firehose.Delivered}
		}}
		d, stop := begin(t, m, sink)
		for range 8 {
			time.Sleep(77 * time.Second)
			stop()
			stop = launch(t, d)
		}
		down.Store(false)
		time.Sleep(time.Hour)
		stop()
		if _, n := sink.count(); n != 50 {
			t.Errorf("%d records delivered, want 50: %+v", n, d.Status())
		}
	})
}

// TestRightsToWriteAreNotRightsToLook: a probe that is denied must not hold a
// delivery whose writes would pass.
func TestRightsToWriteAreNotRightsToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		denied := firehose.Fail(firehose.Auth, errors.New("denied"))
		var down atomic.Bool
		down.Store(true)
		sink := &shelf{probe: func() firehose.Result { return denied }}
		sink.answer = func(*firehose.Batch) firehose.Result {
			if down.Load() {
				return denied
			}
			return firehose.Result{Class: firehose.Delivered}
		}
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Minute)
		if s := d.Status(); s.State != delivery.Held || s.LastError == "" {
			t.Errorf("not shown as held: %+v", s)
		}
		down.Store(false)
		time.Sleep(time.Hour)
		if _, n := sink.count(); n != 50 {
			t.Errorf("%d records delivered, want 50", n)
		}
	})
}

// TestARefusedErrorObjectIsHeld: nothing is left to divert it to, and asking
// again at once would only wear the disk.
func TestARefusedErrorObjectIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 1)
		sink := &shelf{answer: func(*firehose.Batch) firehose.Result {
			return firehose.Fail(firehose.Poison, errors.New("nothing pleases me"))
		}}
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Hour)
		if tries, _ := sink.count(); tries > 30 || d.Status().State != delivery.Held {
			t.Errorf("%d tries in an hour, state %s", tries, d.Status().State)
		}
	})
}

// TestOfflineForWeeks: a link that is down for three weeks costs few tries and
// no record, and what was sealed meanwhile goes out under its name.
func TestOfflineForWeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var down atomic.Bool
		down.Store(true)
		sink := &shelf{
			probe: func() firehose.Result {
				if down.Load() {
					return firehose.Fail(firehose.Transient, errors.New("no route"))
				}
				return firehose.Result{Class: firehose.Delivered}
			},
			answer: func(*firehose.Batch) firehose.Result {
				if down.Load() {
					return firehose.Fail(firehose.Transient, errors.New("no route"))
				}
				return firehose.Result{Class: firehose.Delivered}
			},
		}
		d, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(21 * 24 * time.Hour)
		tries, _ := sink.count()
		if s := d.Status(); tries > 30 || s.State != delivery.Retrying || s.LagRecords != 50 {
			t.Errorf("%d tries, %+v", tries, s)
		}
		down.Store(false)
		time.Sleep(10 * time.Minute)
		if _, n := sink.count(); n != 50 || d.Status().LastError != "" {
			t.Errorf("%d records delivered, want 50: %+v", n, d.Status())
		}
		for object := range sink.objects {
			if !strings.Contains(object, "/") {
				t.Errorf("object %s has no hour", object)
			}
		}
	})
}
