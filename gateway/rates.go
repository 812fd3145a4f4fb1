package gateway

import (
	"context"
	"sync"
	"time"

	"headgate/shardlog/store"
)

// rates watches how fast the log grows, so that status can say how long a
// gateway may stay offline.
type rates struct {
	mu      sync.Mutex
	records float64 // a second, over the last while
	bytes   float64 // of blocks
	settled bool
}

// rateEvery is how often the rates are measured; an older measure counts half
// as much after rateHalf measures.
const (
	rateEvery = 5 * time.Second
	rateKeep  = 0.8
)

func (r *rates) run(s *store.Store) work {
	return func(ctx context.Context) error {
		tick := time.NewTicker(rateEvery)
		defer tick.Stop()
		last, at := s.Stats(), time.Now()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			now, since := s.Stats(), time.Since(at).Seconds()
			r.measure(float64(now.Records-last.Records)/since, float64(now.Bytes-last.Bytes)/since)
			last, at = now, time.Now()
		}
	}
}

func (r *rates) measure(records, bytes float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.settled {
		r.records, r.bytes, r.settled = records, bytes, true
		return
	}
	r.records = r.records*rateKeep + records*(1-rateKeep)
	r.bytes = r.bytes*rateKeep + bytes*(1-rateKeep)
}

func (r *rates) now() (records, bytes float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records, r.bytes
}
