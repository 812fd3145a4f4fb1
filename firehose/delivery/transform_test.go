package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/local"
	"headgate/shardlog/shardlogtest"
)

// marking puts a mark before records. It filters those that end in 3, makes
// two of those that end in 5 and refuses those that end in 7.
type marking struct {
	mark  string
	fails *atomic.Int64 // nil: never
}

func (m marking) Apply(_ context.Context, in []firehose.Record) (firehose.Transformed, error) {
	if m.fails != nil && m.fails.Add(-1) >= 0 {
		return firehose.Transformed{}, errors.New("not now")
	}
	var out firehose.Transformed
	for _, r := range in {
		text := string(r.Data)
		times := 1
		switch text[len(text)-1] {
		case '3':
			times = 0
		case '5':
			times = 2
		case '7':
			out.Refused = append(out.Refused, firehose.Item{Seq: r.Seq, Code: "Seven", Message: "ends in 7"})
			continue
		}
		for i := range times {
			r.Data, r.Sub = []byte(m.mark+text), i
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}

// none is a transform that makes nothing of anything.
type none struct{}

func (none) Apply(context.Context, []firehose.Record) (firehose.Transformed, error) {
	return firehose.Transformed{}, nil
}

// keeper takes what is as it was sealed, and keeps its content by object.
type keeper struct {
	shelf
	down    atomic.Bool
	content map[string][]string // guarded by mu
}

func (k *keeper) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	if k.down.Load() {
		return firehose.Fail(firehose.Transient, errors.New("no route"))
	}
	var lines []string
	err := b.Each(ctx, func(r firehose.Record, frame []byte) error {
		lines = append(lines, strings.TrimSpace(string(frame)))
		return nil
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.content == nil {
		k.content = map[string][]string{}
	}
	if there, ok := k.content[b.Object]; ok && !slices.Equal(there, lines) {
		return firehose.Fail(firehose.Config, errors.New("it is there with other content"))
	}
	k.content[b.Object] = lines
	return firehose.Result{Class: firehose.Delivered, Bytes: b.Bytes}
}

// all is what lies in the objects, in some order, and the objects' names.
func (k *keeper) all() (lines, objects []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for object, content := range k.content {
		lines, objects = append(lines, content...), append(objects, object)
	}
	return lines, objects
}

// with makes a delivery whose configuration is changed.
func with(t *testing.T, m *shardlogtest.Memory, sink firehose.Sink, change func(*delivery.Config)) *delivery.Delivery {
	t.Helper()
	c := delivery.Config{Spec: spec(), Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New}
	change(&c)
	d, err := delivery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func transforming(tr firehose.Transform, description string) func(*delivery.Config) {
	return func(c *delivery.Config) { c.Transform, c.TransformSpec = tr, description }
}

func TestATransformIsBetweenLogAndBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		var fails atomic.Int64
		fails.Store(3)
		sink := &keeper{}
		d := with(t, m, sink, transforming(marking{"A:", &fails}, "A"))
		stop := launch(t, d)
		defer stop()
		time.Sleep(10 * time.Minute)
		want := map[string]int{}
		for i := range 50 {
			switch i % 10 {
			case 3, 7:
			case 5:
				want[fmt.Sprint("A:record-", i)] = 2
			default:
				want[fmt.Sprint("A:record-", i)] = 1
			}
		}
		lines, _ := sink.all()
		got, bad := map[string]int{}, 0
		for _, line := range lines {
			if strings.Contains(line, `"errorCode":"Seven"`) && strings.Contains(line, `"errorMessage":"ends in 7"`) && !strings.Contains(line, `"rawData":"QTpy`) {
				bad++ // and its rawData is not the transform's
				continue
			}
			got[line]++
		}
		if bad != 5 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d error records, delivered %v, want %v", bad, got, want)
		}
		if s := d.Status(); s.Totals.Filtered != 5 || s.Totals.Refused != 5 || s.Totals.Records != 45 || s.Totals.Missing != 0 || s.LagRecords != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestNothingLeftMakesNoObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &keeper{}
		d := with(t, m, sink, transforming(none{}, "none"))
		stop := launch(t, d)
		defer stop()
		time.Sleep(time.Minute)
		_, objects := sink.all()
		if s := d.Status(); len(objects) != 0 || s.LagRecords != 0 || s.Sealed != 0 || s.Totals != (delivery.Totals{Filtered: 50}) {
			t.Errorf("objects %v, status %+v", objects, s)
		}
	})
}

// TestRefusalsAreBounded: a transform that refuses everything must not make a
// state larger than the log allows.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 500)
		sink := &keeper{}
		d := with(t, m, sink, transforming(refusesAll{}, "all"))
		stop := launch(t, d)
		defer stop()
		time.Sleep(10 * time.Minute)
		lines, objects := sink.all()
		if s := d.Status(); len(lines) != 500 || s.Totals.Refused != 500 {
			t.Errorf("%d error records, status %+v", len(lines), s)
		}
		for _, object := range objects {
			if n := len(sink.content[object]); n > 64 {
				t.Errorf("%d refusals in one batch", n)
			}
		}
	})
}

type refusesAll struct{}

func (refusesAll) Apply(_ context.Context, in []firehose.Record) (out firehose.Transformed, err error) {
	for _, r := range in {
		out.Refused = append(out.Refused, firehose.Item{Seq: r.Seq, Code: "All", Message: "no"})
	}
	return out, nil
}

// TestAnotherTransformIsNeverUnderAnOldName: what was sealed under a transform
// that is gone goes out under a new version; what was sealed without one goes
// out as it was sealed.
func TestAnotherTransformIsNeverUnderAnOldName(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*delivery.Config)
		after  func(*delivery.Config)
		object string // part of every data object's name
		want   string
		lines  int
	}{
		{"another", transforming(marking{"A:", nil}, "A"), transforming(marking{"B:", nil}, "B"), "d-2-", "B:record-", 45},
		{"the same", transforming(marking{"A:", nil}, "A"), transforming(marking{"A:", nil}, "A"), "d-1-", "A:record-", 45},
		{"a first one", func(*delivery.Config) {}, transforming(marking{"B:", nil}, "B"), "d-1-", "record-", 50},
		{"none any more", transforming(marking{"A:", nil}, "A"), func(*delivery.Config) {}, "d-2-", "record-", 45},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := shardlogtest.NewMemory()
				fill(t, m, 50)
				sink := &keeper{}
				sink.down.Store(true)
				d := with(t, m, sink, c.before)
				stop := launch(t, d)
				time.Sleep(time.Minute)
				stop()
				if s := d.Status(); s.Totals.Objects != 0 {
					t.Fatalf("nothing should be there: %+v", s)
				}
				sink.down.Store(false)
				stop = launch(t, with(t, m, sink, c.after))
				defer stop()
				time.Sleep(time.Hour)
				lines, objects := sink.all()
				data := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.Contains(l, "errorCode") })
				for _, l := range data {
					if !strings.HasPrefix(l, c.want) {
						t.Errorf("%q was delivered, want %s…", l, c.want)
					}
				}
				for _, o := range objects {
					if !strings.Contains(o, "processing-failed") && !strings.Contains(o, c.object) {
						t.Errorf("object %s, want …%s…", o, c.object)
					}
				}
				if len(data) != c.lines || len(lines) != 50 {
					t.Errorf("%d of %d lines are data, want %d of 50", len(data), len(lines), c.lines)
				}
			})
		})
	}
}

func TestATransformNeedsItsDescription(t *testing.T) {
	m := shardlogtest.NewMemory()
	c := delivery.Config{Spec: spec(), Reader: m, Catalog: m, States: m, Sink: &shelf{}, Encoder: encode.New, Transform: none{}}
	if _, err := delivery.New(c); err == nil {
		t.Error("a change of it would not be noticed")
	}
}

// TestDeathUnderATransform kills a transformed delivery at each of its steps,
// before and after it took effect, and lets another finish the work.
func TestDeathUnderATransform(t *testing.T) {
	const n = 60
	marked := transforming(marking{"", nil}, "marking")
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
			run(t, m, mortalStates{m, life}, mortalSink{sink, life}, life.died, marked)
			if sink, err = local.Open(folder); err != nil {
				t.Fatal(err)
			}
			run(t, m, m, sink, nil, marked)
			seen := lines(t, folder)
			for i := range n {
				want := map[int]int{3: 0, 5: 2, 7: 0}
				times, special := want[i%10]
				if !special {
					times = 1
				}
				if c := seen[fmt.Sprint("record-", i)]; c != times {
					t.Errorf("record %d lies in the objects %d times, want %d", i, c, times)
				}
			}
			if t.Failed() {
				t.Fatalf("died at step %d, after it: %v", at, after)
			}
			if life.left.Load() > 0 {
				break // it lived to the end
			}
		}
	}
}

// TestStatesAreThoseOfOldReleases: without a transform a state has no field
// that an older release does not know.
func TestStatesAreThoseOfOldReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &keeper{}
		sink.down.Store(true)
		_, stop := begin(t, m, sink)
		defer stop()
		time.Sleep(time.Minute)
		for key, value := range m.List(context.Background(), delivery.Space, "d/") {
			if strings.Contains(string(value), "transform") || strings.Contains(string(value), "filtered") {
				t.Errorf("%s is %s", key, value)
			}
		}
	})
}
