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

	mu     sync.Mutex
	shards lately[shardlog.ShardID, rate] // guarded by mu
}

type rate struct {
	records   quota.Read
	iterators quota.Read // GetShardIterator has the same calls a second, on its own account
}

func newRates(limits quota.Limits) *rates {
	r := &rates{limits: limits}
	r.shards.fresh = func(shard shardlog.ShardID) rate {
		full := quota.Read{Shard: shard, Limits: limits}
		return rate{full, full}
	}
	return r
}

// admitRead charges one GetRecords call, or answers Throttled.
func (r *rates) admitRead(now time.Time, shard shardlog.ShardID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards.of(now, shard).records.Admit(now)
}

// chargeRead takes the bytes of an answer from the shard's second.
func (r *rates) chargeRead(now time.Time, shard shardlog.ShardID, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards.of(now, shard).records.Charge(now, bytes)
}

// admitIterator charges one GetShardIterator call, or answers Throttled.
func (r *rates) admitIterator(now time.Time, shard shardlog.ShardID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards.of(now, shard).iterators.Admit(now)
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
