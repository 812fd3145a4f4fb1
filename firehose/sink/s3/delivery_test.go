package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/s3"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// mortal carries a number of requests and then dies for good: before the
// request, in the middle of its body, or after the server has done it.
type mortal struct {
	left atomic.Int64
	how  string
	died chan struct{}
}

var errDead = errors.New("the process is dead")

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	switch left := m.left.Add(-1); {
	case left > 0:
		return http.DefaultTransport.RoundTrip(r)
	case left < 0:
		return nil, errDead
	}
	defer close(m.died)
	switch {
	case m.how == "after":
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	case m.how == "middle" && r.Body != nil && r.ContentLength > 1:
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), broken{}))
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}
	return nil, errDead
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errDead }

// run delivers until all is delivered or the client has died.
func run(t *testing.T, m *shardlogtest.Memory, c s3.Config, died <-chan struct{}) {
	t.Helper()
	soon := delivery.Duration(10 * time.Millisecond)
	d, err := delivery.New(delivery.Config{
		Spec:   delivery.Spec{Name: "d", Stream: "s", Compression: encode.None, Buffering: delivery.Buffering{Interval: &soon, SizeMiB: 12}},
		Reader: m, Catalog: m, States: m, Sink: open(t, c), Encoder: encode.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); ; {
		select {
		case <-died:
			return
		case <-limit:
			t.Fatalf("not delivered: %+v", d.Status())
		case <-tick.C:
			if s := d.Status(); s.Totals.Records > 0 && s.LagRecords == 0 {
				return
			}
		}
	}
}

// TestDeathAtAnyRequest: whatever request to a real server a delivery dies in,
// another finishes its work, and the bucket holds every record once. One of
// the shards makes an object of three parts.
func TestDeathAtAnyRequest(t *testing.T) {
	v := sinktest.StartVersity(t)
	big := bytes.Repeat([]byte("x"), 1<<20-100)
	deaths := 0
	for _, how := range []string{"before", "middle", "after"} {
		for at := int64(1); ; at++ {
			b := makeBucket(t, v, fmt.Sprintf("death-%s-%d", how, at))
			m := shardlogtest.NewMemory()
			if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
				t.Fatal(err)
			}
			var entries []shardlog.Entry
			for i := range 31 {
				e := shardlog.Entry{Key: fmt.Sprint(i), Data: fmt.Appendf(nil, "record-%d ", i), Hash: &shardlog.Hash{}}
				if i < 11 {
					e.Hash, e.Data = &shardlog.Hash{Hi: 1 << 63}, append(e.Data, big...)
				}
				entries = append(entries, e)
			}
			if _, err := m.Put(t.Context(), "s", entries); err != nil {
				t.Fatal(err)
			}
			life := &mortal{how: how, died: make(chan struct{})}
			life.left.Store(at)
			c := b.config()
			c.Client = &http.Client{Transport: life}
			run(t, m, c, life.died)
			run(t, m, b.config(), nil)
			seen := map[string]int{}
			for _, object := range b.Objects(t) {
				for line := range bytes.Lines(object) {
					name, _, _ := bytes.Cut(line, []byte(" "))
					seen[string(name)]++
				}
			}
			for i := range 31 {
				if n := seen[fmt.Sprint("record-", i)]; n != 1 {
					t.Errorf("died %s request %d: record %d is there %d times", how, at, i, n)
				}
			}
			if life.left.Load() > 0 {
				break // it lived to the end
			}
			deaths++
		}
	}
	t.Logf("%d deaths", deaths)
	if deaths < 12 {
		t.Errorf("only %d deaths: a put and a multipart upload have more requests than that", deaths)
	}
}
