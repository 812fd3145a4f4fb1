package web

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// maxMetered is how many addresses of a site are remembered at least, and half
// of what are at most. Who is forgotten begins with a full bucket.
const maxMetered = 4096

// meter is the rates of one site and of the addresses at it.
type meter struct {
	each quota.Limits // of one address

	mu     sync.Mutex
	whole  quota.Write                // guarded by mu
	recent map[netip.Addr]quota.Write // guarded by mu
	before map[netip.Addr]quota.Write // those seen before the recent ones; guarded by mu
}

func newMeter(whole, address Rate) *meter {
	return &meter{
		whole: quota.Write{Limits: whole.limits(1000, 1<<20)}, each: address.limits(200, 256<<10),
		recent: map[netip.Addr]quota.Write{},
	}
}

// limits are the rate as a bucket wants it.
func (r Rate) limits(records, bytes int) quota.Limits {
	pick := func(given, usual int) int {
		switch {
		case given < 0:
			return math.MaxInt32
		case given == 0:
			return usual
		}
		return given
	}
	return quota.Limits{RecordsIn: pick(r.Records, records), BytesIn: pick(r.Bytes, bytes)}
}

// take charges records and bytes to the address and to the site, or to
// neither. Kind Throttled, with the wait that helps.
func (m *meter) take(now time.Time, from netip.Addr, records, bytes int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, whole, err := m.try(now, from, records, bytes)
	if err != nil {
		return err
	}
	if len(m.recent) >= maxMetered {
		m.recent, m.before = map[netip.Addr]quota.Write{}, m.recent
	}
	m.whole, m.recent[from] = whole, one
	return nil
}

// allows is what take would answer; it charges nothing.
func (m *meter) allows(now time.Time, from netip.Addr, records, bytes int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _, err := m.try(now, from, records, bytes)
	return err
}

// try charges copies of the buckets. m.mu is held.
func (m *meter) try(now time.Time, from netip.Addr, records, bytes int) (one, whole quota.Write, err error) {
	one, known := m.recent[from]
	if !known {
		if one, known = m.before[from]; !known {
			one = quota.Write{Limits: m.each}
		}
	}
	whole = m.whole
	if err := one.Take(now, records, bytes); err != nil {
		return one, whole, slower("of this address", err)
	}
	if err := whole.Take(now, records, bytes); err != nil {
		return one, whole, slower("of this site", err)
	}
	return one, whole, nil
}

// slower is the refusal without the shard that a bucket names.
func slower(whose string, err error) error {
	wait := shardlog.RetryAfter(err)
	return &shardlog.Error{Kind: shardlog.Throttled, Op: "take the rate " + whose, RetryAfter: wait}
}
