package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// TestThreeDaysWithAFullDisk: the link is gone for 72 hours and the log has to
// give up its oldest records, those of a sealed batch too. What is left arrives
// once, and what is not is counted, record by record, as the log's gaps are.
func TestThreeDaysWithAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1, Retention: 1000 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		sink := &keeper{}
		sink.down.Store(true)
		d, stop := begin(t, m, sink)
		defer stop()
		const hours, an, kept = 72, 10, 240
		for range hours {
			fill(t, m, an)
			time.Sleep(time.Hour)
			s, _ := m.Stream("s")
			if shard := s.Shards[0]; shard.Next > kept+1 {
				if err := m.GiveUp(shard.ID, shard.Next-kept, shardlog.OverBudget); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := d.Status(); got.Totals.Records != 0 || got.LagRecords == 0 {
			t.Errorf("%+v", got)
		}
		sink.down.Store(false)
		time.Sleep(24 * time.Hour)
		lines, _ := sink.all()
		got := d.Status()
		if len(lines) != kept || got.Totals.Records != kept || got.Totals.Missing != hours*an-kept || got.LagRecords != 0 {
			t.Errorf("%d records arrived, %+v", len(lines), got)
		}
	})
}
