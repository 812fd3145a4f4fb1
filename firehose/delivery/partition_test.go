package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog/shardlogtest"
)

// keyed names the key k of each record by what a test says.
type keyed func(data string) string

func (k keyed) Apply(_ context.Context, in []firehose.Record) (out firehose.Transformed, err error) {
	for _, r := range in {
		if key := k(string(r.Data)); key != "" {
			r.Keys = map[string]string{"k": key}
		}
		out.Records = append(out.Records, r)
	}
	return out, nil
}

func partitioned(t *testing.T, m *shardlogtest.Memory, sink firehose.Sink, key keyed) (d *delivery.Delivery, stop func()) {
	t.Helper()
	s := spec()
	s.Compression, s.Prefix = encode.None, "k=!{partitionKeyFromQuery:k}/!{timestamp:yyyy}/"
	d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Encoder: encode.New, Transform: key, TransformSpec: "keyed"})
	if err != nil {
		t.Fatal(err)
	}
	return d, launch(t, d)
}

// TestPartitionsHaveTheirFolders: each record lies once under the folder of
// its key, also when the process that sealed them is not the one that sends.
func TestPartitionsHaveTheirFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 500)
		sink := &keeper{}
		sink.down.Store(true)
		last := func(data string) string { return data[len(data)-1:] }
		_, stop := partitioned(t, m, sink, last)
		time.Sleep(time.Minute)
		stop()
		sink.down.Store(false)
		d, stop := partitioned(t, m, sink, last)
		defer stop()
		time.Sleep(time.Hour)
		seen := map[string]int{}
		for object, lines := range sink.content {
			for _, line := range lines {
				if want := "k=" + last(line) + "/2000/"; !strings.HasPrefix(object, want) {
					t.Errorf("%s lies in %s", line, object)
				}
				seen[line]++
			}
		}
		for i := range 500 {
			if line := fmt.Sprintf("record-%d", i); seen[line] != 1 {
				t.Errorf("%s is there %d times", line, seen[line])
			}
		}
		if got := d.Status(); got.Totals.Records != 500 || got.Totals.Objects != uint64(len(sink.content)) || got.LagRecords != 0 {
			t.Errorf("%+v, %d objects", got, len(sink.content))
		}
	})
}

// TestPartitionsAreBounded: a batch ends where it would be too many objects.
func TestPartitionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 500)
		sink := &keeper{}
		d, stop := partitioned(t, m, sink, func(data string) string { return data })
		defer stop()
		time.Sleep(time.Hour)
		ranges := map[string]int{}
		for object := range sink.content {
			name := path.Base(object)
			ranges[name[:strings.LastIndex(name, ".")]]++
		}
		for name, n := range ranges {
			if n > 64 {
				t.Errorf("%d objects of %s", n, name)
			}
		}
		if got := d.Status(); len(sink.content) != 500 || got.Totals.Records != 500 {
			t.Errorf("%d objects, %+v", len(sink.content), got)
		}
	})
}

// TestRecordsWithoutKeysAreRefused: they have no folder, and are not lost.
func TestRecordsWithoutKeysAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 50)
		sink := &keeper{}
		d, stop := partitioned(t, m, sink, func(data string) string {
			switch {
			case strings.HasSuffix(data, "7"):
				return ""
			case strings.HasSuffix(data, "8"):
				return strings.Repeat("x", 600)
			}
			return "a"
		})
		defer stop()
		time.Sleep(time.Hour)
		if got := d.Status(); got.Totals.Refused != 10 || got.Totals.Records != 40 || got.LagRecords != 0 {
			t.Errorf("%+v", got)
		}
		for object := range sink.content {
			if !strings.HasPrefix(object, "k=a/2000/") && !strings.HasPrefix(object, "processing-failed/") {
				t.Error(object)
			}
		}
	})
}

// TestAKeyIsTheNameOfOneFolder: what a device sends must not leave it.
func TestAKeyIsTheNameOfOneFolder(t *testing.T) {
	for key, want := range map[string]string{
		"plain": "plain", "a/b": "a%2Fb", "..": "%2E%2E", ".": "%2E", "a..b": "a..b", "x\x00y": "x%00y", "100%": "100%25", `a\b`: "a%5Cb", "Zürich": "Zürich",
	} {
		synctest.Test(t, func(t *testing.T) {
			m := shardlogtest.NewMemory()
			fill(t, m, 1)
			sink := &keeper{}
			_, stop := partitioned(t, m, sink, func(string) string { return key })
			time.Sleep(time.Minute)
			stop()
			for object := range sink.content {
				if !strings.HasPrefix(object, "k="+want+"/2000/") {
					t.Errorf("%q lies in %s", key, object)
				}
			}
			if len(sink.content) != 1 {
				t.Errorf("%q: %d objects", key, len(sink.content))
			}
		})
	}
}

// TestAPartitionThatFailsHoldsTheBatch: nothing is counted before all of it is there.
func TestAPartitionThatFailsHoldsTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		fill(t, m, 100)
		sink := &picky{refuses: "k=3/"}
		d, stop := partitioned(t, m, sink, func(data string) string { return data[len(data)-1:] })
		defer stop()
		time.Sleep(time.Hour)
		if got := d.Status(); got.Totals.Records != 0 || got.LagRecords != 100 {
			t.Errorf("%+v", got)
		}
		sink.mu.Lock()
		sink.refuses = "nothing"
		sink.mu.Unlock()
		time.Sleep(time.Hour)
		if lines, _ := sink.all(); len(lines) != 100 || d.Status().Totals.Records != 100 {
			t.Errorf("%d records, %+v", len(lines), d.Status())
		}
	})
}

type picky struct {
	keeper
	refuses string // guarded by mu
}

func (p *picky) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	p.mu.Lock()
	refuses := strings.HasPrefix(b.Object, p.refuses)
	p.mu.Unlock()
	if refuses {
		return firehose.Fail(firehose.Transient, errors.New("not now"))
	}
	return p.keeper.Deliver(ctx, b)
}
