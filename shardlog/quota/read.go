package quota

import (
	"time"

	"headgate/shardlog"
)

// Read is the quota that all polling readers of one shard share: calls and
// bytes a second, with a burst of one second. How large an answer is shows
// only afterwards: an answer that overdraws the bytes closes the shard until
// they are full again, so that 10 MiB from a full shard close it for the five
// seconds that Kinesis documents. Fields may be set before the first Admit; a
// Read whose fields are zero has Kinesis's limits. It is not safe for
// concurrent use.
type Read struct {
	Shard  shardlog.ShardID // named in errors
	Limits Limits

	calls, bytes bucket
	overdrawn    bool // until bytes is full
	watch        stopwatch
}

// Admit charges one call. When the shard is short it answers Throttled with
// the wait that would help, and charges nothing.
func (r *Read) Admit(now time.Time) error {
	if r.Limits.Off {
		return nil
	}
	r.refill(now)
	wait := r.calls.wait(1)
	if r.overdrawn {
		wait = max(wait, r.bytes.wait(r.bytes.rate))
	}
	if wait > 0 {
		return throttled("take read quota", r.Shard, wait)
	}
	r.calls.balance--
	r.overdrawn = false
	return nil
}

// Charge takes the bytes of an answer, data and keys, from the shard's second.
func (r *Read) Charge(now time.Time, bytes int) {
	if r.Limits.Off {
		return
	}
	r.refill(now)
	r.bytes.balance -= float64(bytes)
	r.overdrawn = r.overdrawn || r.bytes.balance < 0
}

func (r *Read) refill(now time.Time) {
	if !r.watch.started() {
		r.calls = full(or(r.Limits.ReadsOut, shardlog.ShardReadsOut))
		r.bytes = full(or(r.Limits.BytesOut, shardlog.ShardBytesOut))
	}
	elapsed := r.watch.lap(now)
	r.calls.refill(elapsed)
	r.bytes.refill(elapsed)
}
