package opensearch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/sink/opensearch"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// A delivery comes to its end with a server that answers at random: every
// record is taken, or refused by name.
func TestAgainstAServerThatMisbehaves(t *testing.T) {
	address := sinktest.FreeAddress(t)
	sinktest.Start(t, sinktest.Program{Path: sinktest.Peer(t, "mock-es"), Args: []string{"-addr", address, "-toomany", "10", "-dup", "20", "-nonindex", "3", "-toolarge", "3"}, Ready: "http://" + address})
	m, ctx := shardlogtest.NewMemory(), context.Background()
	if err := m.CreateStream(ctx, shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	const count = 200
	for range 2 {
		var entries []shardlog.Entry
		for i := range count / 2 {
			entries = append(entries, shardlog.Entry{Key: "k", Data: fmt.Appendf(nil, `{"n":%d}`, i)})
		}
		if _, err := m.Put(ctx, "s", entries); err != nil {
			t.Fatal(err)
		}
	}
	soon := delivery.Duration(0)
	d, err := delivery.New(delivery.Config{
		Spec: delivery.Spec{Name: "d", Stream: "s", Buffering: delivery.Buffering{Interval: &soon}}, Reader: m, Catalog: m, States: m, Encoder: encode.New,
		Sink: sink(t, opensearch.Config{URL: "http://" + address, Index: "i", Records: 50}), Errors: sinktest.Bin{},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	s := d.Status()
	for ; s.Totals.Records+s.Totals.Refused < count && ctx.Err() == nil; s = d.Status() {
		<-tick.C
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s.Totals.Records+s.Totals.Refused != count || s.Totals.Refused == 0 {
		t.Errorf("%+v", s)
	}
}
