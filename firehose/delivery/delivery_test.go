package delivery_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/local"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

func spec() delivery.Spec {
	soon := delivery.Duration(50 * time.Millisecond)
	return delivery.Spec{Name: "d", Stream: "s", Buffering: delivery.Buffering{Interval: &soon}}
}

// fill makes a stream with records of their own numbers.
func fill(t *testing.T, m *shardlogtest.Memory, n int) {
	t.Helper()
	ctx := context.Background()
	if err := m.CreateStream(ctx, shardlog.StreamSpec{Name: "s", Shards: 3}); err != nil && shardlog.KindOf(err) != shardlog.InUse {
		t.Fatal(err)
	}
	var entries []shardlog.Entry
	for i := range n {
		entries = append(entries, shardlog.Entry{Key: fmt.Sprint("k", i%11), Data: fmt.Appendf(nil, "record-%d", i)})
	}
	if _, err := m.Put(ctx, "s", entries); err != nil {
		t.Fatal(err)
	}
}

// lines counts what lies in the delivered objects.
func lines(t *testing.T, folder string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "unfinished") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		for s := bufio.NewScanner(z); s.Scan(); {
			seen[s.Text()]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func exactly(t *testing.T, seen map[string]int, n int) {
	t.Helper()
	for i := range n {
		if c := seen[fmt.Sprint("record-", i)]; c != 1 {
			t.Errorf("record %d lies in the objects %d times", i, c)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different records, want %d", len(seen), n)
	}
}

// run runs a delivery until it has delivered everything, or died.
func run(t *testing.T, m *shardlogtest.Memory, states shardlog.States, sink firehose.Sink, died <-chan struct{}, change ...func(*delivery.Config)) delivery.Status {
	t.Helper()
	c := delivery.Config{Spec: spec(), Reader: m, Catalog: m, States: states, Sink: sink, Encoder: encode.New}
	for _, do := range change {
		do(&c)
	}
	d, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for waiting := true; waiting; {
		select {
		case <-died:
			waiting = false
		case <-tick.C:
			s := d.Status()
			waiting = s.Totals.Records == 0 || s.LagRecords > 0
		case <-limit:
			t.Fatalf("not delivered: %+v", d.Status())
		}
	}
	s := d.Status()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverythingIsDeliveredOnce(t *testing.T) {
	m := shardlogtest.NewMemory()
	fill(t, m, 500)
	folder := t.TempDir()
	sink, err := local.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, m, m, sink, nil)
	exactly(t, lines(t, folder), 500)
	if s.Totals.Records != 500 || s.Totals.Objects == 0 || s.LastError != "" {
		t.Errorf("status %+v", s)
	}
	// A delivery that starts again delivers only what is new.
	fill(t, m, 0)
	again := run(t, m, m, sink, nil)
	exactly(t, lines(t, folder), 500)
	if again.Totals.Records != 500 {
		t.Errorf("delivered again: %+v", again.Totals)
	}
}

var errDead = errors.New("the process is dead")

// mortal lets a number of steps happen and then dies: before the step, or
// after it, so that nobody hears of it.
type mortal struct {
	left  atomic.Int64
	after bool
	died  chan struct{}
}

func (m *mortal) step(do func() error) error {
	switch left := m.left.Add(-1); {
	case left > 0:
		return do()
	case left == 0:
		if m.after {
			_ = do()
		}
		close(m.died)
	}
	return errDead
}

type mortalStates struct {
	shardlog.States
	life *mortal
}

func (s mortalStates) Mutate(ctx context.Context, all ...shardlog.Mutation) error {
	return s.life.step(func() error { return s.States.Mutate(ctx, all...) })
}

type mortalSink struct {
	firehose.Sink
	life *mortal
}

func (s mortalSink) Deliver(ctx context.Context, b *firehose.Batch) (r firehose.Result) {
	err := s.life.step(func() error { r = s.Sink.Deliver(ctx, b); return r.Err })
	if err != nil && r.Err == nil {
		return firehose.Fail(firehose.Transient, err)
	}
	return r
}

// TestDeathAtAnyStepNeitherLosesNorDoubles kills the delivery at each of its
// steps, before and after it took effect, and lets another finish the work.
func TestDeathAtAnyStepNeitherLosesNorDoubles(t *testing.T) {
	const n = 60
	for _, after := range []bool{false, true} {
		for at := int64(1); ; at++ {
			m := shardlogtest.NewMemory()
			fill(t, m, n)
			folder := t.TempDir()
			sink, err := local.Open(folder)
			if err != nil {
				t.Fatal(err)
			}
			life := &mortal{after: after, died: make(chan struct{})}
			life.left.Store(at)
			run(t, m, mortalStates{m, life}, mortalSink{sink, life}, life.died)
			if sink, err = local.Open(folder); err != nil {
				t.Fatal(err)
			}
			run(t, m, m, sink, nil)
			exactly(t, lines(t, folder), n)
			if t.Failed() {
				t.Fatalf("died at step %d, after it: %v", at, after)
			}
			if life.left.Load() > 0 {
				break // it lived to the end
			}
		}
	}
}

// refusing is a sink that will not take some records.
type refusing struct {
	firehose.Sink
	names bool // does it say which
}

func (s refusing) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	r := firehose.Result{Class: firehose.Poison, Err: errors.New("bad record")}
	for rec, err := range b.Records(ctx) {
		if err != nil {
			return firehose.Fail(firehose.Transient, err)
		}
		if strings.HasSuffix(string(rec.Data), "7") && !strings.HasPrefix(b.Object, "processing-failed/") {
			r.Items = append(r.Items, firehose.Item{Seq: rec.Seq, Code: "Bad", Message: "ends in 7"})
		}
	}
	if len(r.Items) == 0 {
		return s.Sink.Deliver(ctx, b)
	}
	if !s.names {
		r.Items = nil
	}
	return r
}

func TestRefusedRecordsGoToTheErrorOutput(t *testing.T) {
	for _, names := range []bool{true, false} {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		folder := t.TempDir()
		sink, err := local.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		s := run(t, m, m, refusing{sink, names}, nil)
		if s.Totals.Refused != 5 || s.Totals.Records != 45 {
			t.Fatalf("names %v: totals %+v", names, s.Totals)
		}
		good, bad := 0, 0
		for line, c := range lines(t, folder) {
			switch {
			case c != 1:
				t.Errorf("%s lies there %d times", line, c)
			case strings.HasPrefix(line, "record-"):
				good++
			case strings.Contains(line, `"rawData"`) && strings.Contains(line, `"errorCode"`):
				bad++
			}
		}
		if good != 45 || bad != 5 {
			t.Errorf("names %v: %d good and %d bad records", names, good, bad)
		}
	}
}

func TestSpecsAreChecked(t *testing.T) {
	for _, change := range []func(*delivery.Spec){
		func(s *delivery.Spec) { s.Name = "" },
		func(s *delivery.Spec) { s.Stream = "no such/name" },
		func(s *delivery.Spec) { s.Compression = "rar" },
		func(s *delivery.Spec) { s.Buffering.SizeMiB = 129 },
		func(s *delivery.Spec) { s.Prefix = "!{timestamp:yyyy" },
		func(s *delivery.Spec) { s.Prefix = "../up/" },
		func(s *delivery.Spec) { s.ErrorPrefix = "!{timestamp:yyyy}/" },
	} {
		s := spec()
		change(&s)
		if err := s.Validate(); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v passes: %v", s, err)
		}
	}
	if err := spec().Validate(); err != nil {
		t.Error(err)
	}
}
