package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog/shardlogtest"
)

// TestSitesOfOneScriptShareABucket: two sites that were set up alike, and a
// box that was flashed anew and woke at the same wrong time, number their
// records alike. None takes another's objects for its own.
func TestSitesOfOneScriptShareABucket(t *testing.T) {
	bucket := &keeper{}
	const sites = 3
	for range sites {
		synctest.Test(t, func(t *testing.T) { // each begins at the same instant
			m := shardlogtest.NewMemory()
			fill(t, m, 40)
			s := spec()
			s.Compression = encode.None
			d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: bucket, Encoder: encode.New})
			if err != nil {
				t.Fatal(err)
			}
			defer launch(t, d)()
			time.Sleep(time.Minute)
			if got := d.Status(); got.Totals.Records != 40 || got.LastError != "" {
				t.Errorf("%+v", got)
			}
		})
	}
	if lines, objects := bucket.all(); len(lines) != 40*sites || len(objects) < sites {
		t.Errorf("%d records in %d objects", len(lines), len(objects))
	}
}
