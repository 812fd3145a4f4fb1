package intake

import (
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// Bounds of what is remembered of sources.
const (
	maxSources = 4096
	forget     = 30 * time.Second // every quota is whole again by then
)

// sources are the quotas of those who send. Beyond maxSources at once, those
// who are new share one.
type sources struct {
	limits  quota.Limits
	largest int // bytes that one body may have

	mu     sync.Mutex
	known  map[string]*source // guarded by mu
	others *source            // guarded by mu
}

type source struct {
	quota quota.Write
	seen  time.Time
}

// take charges a source. Kind Throttled, with the wait that would help.
func (s *sources) take(name string, now time.Time, requests, bytes int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(name, now)
	one.seen = now
	if err := one.quota.Take(now, requests, bytes); err != nil {
		return &shardlog.Error{Kind: shardlog.Throttled, Op: "take quota of " + name, RetryAfter: shardlog.RetryAfter(err)}
	}
	return nil
}

func (s *sources) find(name string, now time.Time) *source {
	if one := s.known[name]; one != nil {
		return one
	}
	if s.known == nil {
		s.known, s.others = map[string]*source{}, s.fresh()
	}
	if len(s.known) >= maxSources && now.Sub(s.others.seen) > forget/10 {
		s.sweep(now)
	}
	if len(s.known) >= maxSources {
		return s.others
	}
	one := s.fresh()
	s.known[name] = one
	return one
}

func (s *sources) fresh() *source {
	return &source{quota: quota.Write{Limits: s.limits, Largest: s.largest}}
}

// sweep forgets those who were not seen for a while.
func (s *sources) sweep(now time.Time) {
	for name, one := range s.known {
		if now.Sub(one.seen) > forget {
			delete(s.known, name)
		}
	}
}
