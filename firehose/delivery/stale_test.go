package delivery_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// TestWhatWaitedTooLong: after an outage of three days a delivery that is of
// use for a day leaves out what is older, to the error output or to nowhere,
// counts it, and delivers the rest; a restart changes nothing of that.
func TestWhatWaitedTooLong(t *testing.T) {
	for _, then := range []string{"", delivery.Backup, delivery.Drop} {
		synctest.Test(t, func(t *testing.T) {
			m := shardlogtest.NewMemory()
			if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1, Retention: 1000 * time.Hour}); err != nil {
				t.Fatal(err)
			}
			sink, refused := &keeper{}, &keeper{}
			sink.down.Store(true)
			run := func() (*delivery.Delivery, func()) {
				s := spec()
				day := delivery.Duration(24 * time.Hour)
				s.Compression, s.Stale = encode.None, delivery.Stale{After: &day, Then: then}
				d, err := delivery.New(delivery.Config{Spec: s, Reader: m, Catalog: m, States: m, Sink: sink, Errors: refused, Encoder: encode.New})
				if err != nil {
					t.Fatal(err)
				}
				return d, launch(t, d)
			}
			for range 72 {
				fill(t, m, 10)
				time.Sleep(time.Hour)
			}
			_, stop := run()
			time.Sleep(time.Minute)
			stop()
			sink.down.Store(false)
			d, stop := run()
			defer stop()
			time.Sleep(time.Hour)
			lines, _ := sink.all()
			gone, _ := refused.all()
			got := d.Status()
			if len(lines) < 230 || len(lines) > 250 || got.LagRecords != 0 || got.Totals.Records != uint64(len(lines)) {
				t.Errorf("%q: %d of 720 records delivered, %+v", then, len(lines), got)
			}
			left := uint64(720 - len(lines))
			if then == delivery.Drop && (got.Totals.Dropped != left || len(gone) != 0 || got.Totals.Refused != 0) {
				t.Errorf("%q: %+v, %d in the error output", then, got, len(gone))
			}
			if then != delivery.Drop && (got.Totals.Refused != left || len(gone) != int(left) || !strings.Contains(gone[0], "Record.Stale")) {
				t.Errorf("%q: %+v, %d in the error output", then, got, len(gone))
			}
		})
	}
}

func TestStaleIsChecked(t *testing.T) {
	second, day := delivery.Duration(time.Second), delivery.Duration(24*time.Hour)
	for _, bad := range []delivery.Stale{{Then: "drop"}, {After: &second}, {After: &day, Then: "forget"}} {
		s := spec()
		s.Stale = bad
		if err := s.Validate(); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
