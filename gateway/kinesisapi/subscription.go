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
	mu    sync.Mutex
	all   map[subscribed]*subscription // guarded by mu
	young []*subscription              // guarded by mu: those that settle, the oldest first
	open  int                          // guarded by mu: those under way
	over  bool                         // guarded by mu: there will be no more
}

// subscribed is who reads what.
type subscribed struct {
	shard    shardlog.ShardID
	consumer string
}

type subscription struct {
	who   subscribed
	began time.Time
	stop  context.CancelFunc
	ended bool
}

// settled reports whether others may take its place.
func (s *subscription) settled(now time.Time) bool {
	age := now.Sub(s.began)
	return age < 0 || age >= settleTime
}

// settleTime is how long a subscription keeps others of its consumer and shard
// out, though it may have ended; later ones take its place.
const settleTime = 5 * time.Second

// take begins a subscription; false when the one before has just begun, or
// there are to be no more. leave is to be called when it ends.
func (s *subscriptions) take(ctx context.Context, who subscribed, now time.Time) (own context.Context, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, nil, false
	}
	s.settle(now)
	if before := s.all[who]; before != nil {
		if !before.settled(now) {
			return nil, nil, false
		}
		before.stop()
	}
	own, stop := context.WithCancel(ctx)
	one := &subscription{who: who, began: now, stop: stop}
	if s.all == nil {
		s.all = map[subscribed]*subscription{}
	}
	s.all[who] = one
	s.young = append(s.young, one)
	s.open++
	return own, func() { s.leave(one) }, true
}

// settle forgets those that have ended and settled. Whoever ends later forgets
// itself. It is called with mu held, and looks at each subscription once.
func (s *subscriptions) settle(now time.Time) {
	for len(s.young) > 0 && s.young[0].settled(now) {
		one := s.young[0]
		s.young[0], s.young = nil, s.young[1:]
		one.began = time.Time{} // it stays settled, whatever the clock says
		s.forget(one)
	}
}

// leave ends a subscription.
func (s *subscriptions) leave(one *subscription) {
	one.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	one.ended = true
	s.open--
	if one.began.IsZero() {
		s.forget(one)
	}
}

// forget forgets a subscription that has ended, unless another has its place.
// It is called with mu held.
func (s *subscriptions) forget(one *subscription) {
	if one.ended && s.all[one.who] == one {
		delete(s.all, one.who)
	}
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
func (s *subscriptions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}
