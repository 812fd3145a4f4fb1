package kinesisapi

import (
	"context"
	"sync"
	"time"

	"headgate/shardlog"
)

// subscriptions are those that are under way, and those that began less than
// settleTime ago: one for each consumer and shard.
type subscriptions struct {
	mu   sync.Mutex
	all  map[subscribed]*subscription // guarded by mu
	over bool                         // guarded by mu: there will be no more
}

// subscribed is who reads what.
type subscribed struct {
	shard    shardlog.ShardID
	consumer string
}

type subscription struct {
	began time.Time
	stop  context.CancelFunc
	ended bool
}

// settleTime is how long a subscription keeps others of its consumer and shard
// out, though it may have ended; later ones take its place.
const settleTime = 5 * time.Second

// take begins a subscription; false when the one before has just begun, or
// there are to be no more. leave
// is to be called when it ends.
func (s *subscriptions) take(ctx context.Context, who subscribed, now time.Time) (own context.Context, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, nil, false
	}
	for key, one := range s.all {
		if age := now.Sub(one.began); one.ended && (age < 0 || age >= settleTime) {
			delete(s.all, key)
		}
	}
	if before := s.all[who]; before != nil {
		if age := now.Sub(before.began); age >= 0 && age < settleTime {
			return nil, nil, false
		}
		before.stop()
	}
	own, stop := context.WithCancel(ctx)
	one := &subscription{began: now, stop: stop}
	if s.all == nil {
		s.all = map[subscribed]*subscription{}
	}
	s.all[who] = one
	return own, func() {
		stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		one.ended = true
	}, true
}

// end ends a consumer's subscriptions.
func (s *subscriptions) end(stream shardlog.StreamID, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, one := range s.all {
		if who.shard.Stream == stream && who.consumer == consumer {
			one.stop()
			delete(s.all, who) // another consumer of that name begins anew
		}
	}
}

// EndSubscriptions ends all subscriptions, and lets none begin: the gateway
// stops, and its servers would wait for them.
func (a *API) EndSubscriptions() {
	s := &a.subscriptions
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, one := range s.all {
		one.stop()
	}
}

// count is how many are under way.
func (s *subscriptions) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if !one.ended {
			n++
		}
	}
	return n
}
