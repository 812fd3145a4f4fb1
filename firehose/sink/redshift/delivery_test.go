package redshift_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	aws3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// bisected: of many records one is poison. A delivery finds it and keeps it in
// the bucket; all others are loaded, once.
func bisected(t *testing.T, k *table) {
	const count, bad = 40, 23
	m := shardlogtest.NewMemory()
	if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	var entries []shardlog.Entry
	for i := range count {
		n := fmt.Sprint(i)
		if i == bad {
			n = `"many"`
		}
		entries = append(entries, shardlog.Entry{Key: "k", Data: fmt.Appendf(nil, `{"batch":"all","n":%s}`, n)})
	}
	if _, err := m.Put(t.Context(), "s", entries); err != nil {
		t.Fatal(err)
	}
	soon := delivery.Duration(10 * time.Millisecond)
	d, err := delivery.New(delivery.Config{
		Spec:   delivery.Spec{Name: "d", Stream: "s", Compression: encode.Gzip, Buffering: delivery.Buffering{Interval: &soon, SizeMiB: 5}},
		Reader: m, Catalog: m, States: m, Sink: k.sink(t), Encoder: encode.New,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	tick, limit := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	s := d.Status()
	for ; s.Totals.Records+s.Totals.Refused < count || s.LagRecords > 0; s = d.Status() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not delivered: %+v", s)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s.Totals.Refused != 1 {
		t.Errorf("refused %d records", s.Totals.Refused)
	}
	rows := map[string]int{}
	for _, n := range k.server.ask(t, "SELECT n FROM "+k.name) {
		rows[n]++
	}
	for i := range count {
		if got := rows[fmt.Sprint(i)]; i == bad && got != 0 || i != bad && got != 1 {
			t.Errorf("record %d is there %d times", i, got)
		}
	}
	if len(rows) != count-1 {
		t.Errorf("%d rows", len(rows))
	}
	k.keptAside(t)
}

// keptAside checks that there is one object of refused records.
func (k *table) keptAside(t *testing.T) {
	t.Helper()
	list, err := client(k.bucket, k.bucket.AccessKey, k.bucket.SecretKey).ListObjectsV2(t.Context(), &aws3.ListObjectsV2Input{Bucket: &k.name})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, o := range list.Contents {
		if strings.HasPrefix(*o.Key, "processing-failed/") {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("%d objects of refused records", kept)
	}
}
