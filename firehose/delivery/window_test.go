package delivery_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// breathless takes so many batches at once, each for a second, and is
// throttled beyond.
type breathless struct {
	shelf
	most int

	mu            sync.Mutex
	busy, busiest int // guarded by mu
	refused       int // guarded by mu
}

func (*breathless) Caps() firehose.Caps { return firehose.Caps{BatchRecords: 1} }

func (s *breathless) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	s.mu.Lock()
	s.busy++
	over := s.busy > s.most
	s.busiest = max(s.busiest, s.busy)
	if over {
		s.refused++
	}
	s.mu.Unlock()
	time.Sleep(time.Second)
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
	if over {
		return firehose.Fail(firehose.Throttled, fmt.Errorf("slow down"))
	}
	return s.shelf.Deliver(ctx, b)
}

// TestAsManyAtOnceAsTheDestinationTakes: concurrency grows to four where that
// is taken, and is given up where it is not: far fewer attempts are refused
// than four at once would have.
func TestAsManyAtOnceAsTheDestinationTakes(t *testing.T) {
	for _, most := range []int{1, 2, 100} {
		synctest.Test(t, func(t *testing.T) {
			m := shardlogtest.NewMemory()
			if err := m.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 8}); err != nil {
				t.Fatal(err)
			}
			var entries []shardlog.Entry
			for i := range 400 {
				entries = append(entries, shardlog.Entry{Key: fmt.Sprint("k", i), Data: []byte("r")})
			}
			if _, err := m.Put(t.Context(), "s", entries); err != nil {
				t.Fatal(err)
			}
			sink := &breathless{most: most}
			d, stop := begin(t, m, sink)
			defer stop()
			time.Sleep(time.Hour)
			if sink.busiest > 4 || sink.refused > 150 || d.Status().Totals.Records != 400 {
				t.Errorf("%d at once where %d are taken, %d refused, %+v", sink.busiest, most, sink.refused, d.Status())
			}
			if most == 100 && (sink.busiest != 4 || sink.refused != 0) {
				t.Errorf("%d at once, %d refused", sink.busiest, sink.refused)
			}
		})
	}
}
