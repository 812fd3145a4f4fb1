package kinesisapi

import (
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// rates holds the read quotas of the shards that were read lately.
type rates struct {
	limits quota.Limits

	mu    sync.Mutex
	byID  map[shardlog.ShardID]*rate // guarded by mu, and what it points to
	sweep time.Time                  // guarded by mu: when idle ones were last dropped
}

type rate struct {
	records   quota.Read
	iterators quota.Read // GetShardIterator has the same calls a second, on its own account
	used      time.Time
}

// idle is after how long a shard's quotas are full again whatever was read:
// the largest answer takes five seconds.
const idle = 10 * time.Second

// admitRead charges one GetRecords call, or answers Throttled.
func (r *rates) admitRead(now time.Time, shard shardlog.ShardID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(now, shard).records.Admit(now)
}

// chargeRead takes the bytes of an answer from the shard's second.
func (r *rates) chargeRead(now time.Time, shard shardlog.ShardID, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(now, shard).records.Charge(now, bytes)
}

// admitIterator charges one GetShardIterator call, or answers Throttled.
func (r *rates) admitIterator(now time.Time, shard shardlog.ShardID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(now, shard).iterators.Admit(now)
}

// pushTime is how long so many bytes take to send to one consumer of a shard.
func (r *rates) pushTime(bytes int) time.Duration {
	if r.limits.Off {
		return 0
	}
	most := r.limits.BytesOut
	if most == 0 {
		most = shardlog.ShardBytesOut
	}
	return time.Duration(bytes) * time.Second / time.Duration(most)
}

// of is called with mu held.
func (r *rates) of(now time.Time, shard shardlog.ShardID) *rate {
	if since := now.Sub(r.sweep); since > idle || since < 0 {
		for id, each := range r.byID {
			if unused := now.Sub(each.used); unused > idle || unused < 0 {
				delete(r.byID, id)
			}
		}
		r.sweep = now
	}
	found := r.byID[shard]
	if found == nil {
		found = &rate{records: quota.Read{Shard: shard, Limits: r.limits}, iterators: quota.Read{Shard: shard, Limits: r.limits}}
		if r.byID == nil {
			r.byID = make(map[shardlog.ShardID]*rate)
		}
		r.byID[shard] = found
	}
	found.used = now
	return found
}
