package quota

import (
	"time"

	"headgate/shardlog"
)

// Write is the write quota of one shard: records and bytes a second, with a
// burst of one second, or of one record of Largest if the stream takes large ones. Shard and
// Limits may be set before the first Take, Largest at any time; a Write whose
// fields are zero has Kinesis's limits and is full. It is not safe for
// concurrent use.
type Write struct {
	Shard   shardlog.ShardID // named in errors
	Limits  Limits
	Largest int // bytes that a record of the stream may have

	records, bytes bucket
	watch          stopwatch
}

// Take charges records and bytes against the shard's second. When the shard
// is short it answers Throttled with the wait that would help, and charges
// nothing. More than a second brings is taken once a second's worth is there, as
// debt that the seconds after pay: this is how a record larger than the rate
// gets in.
func (w *Write) Take(now time.Time, records, bytes int) error {
	if w.Limits.Off {
		return nil
	}
	w.refill(now)
	r, b := float64(records), float64(bytes)
	wait := max(w.records.wait(min(r, w.records.rate)), w.bytes.wait(min(b, w.bytes.rate)))
	if wait > 0 {
		return throttled("take write quota", w.Shard, wait)
	}
	w.records.balance -= r
	w.bytes.balance -= b
	return nil
}

func (w *Write) refill(now time.Time) {
	if !w.watch.started() {
		w.records = full(or(w.Limits.RecordsIn, shardlog.ShardRecordsIn))
		w.bytes = full(or(w.Limits.BytesIn, shardlog.ShardBytesIn))
		w.bytes.balance = w.tank()
	}
	w.bytes.most = w.tank()
	elapsed := w.watch.lap(now)
	w.records.refill(elapsed)
	w.bytes.refill(elapsed)
}

// tank is the bytes that may be saved up: a second's, or a large record.
func (w *Write) tank() float64 {
	if w.Largest <= shardlog.DefaultRecordBytes {
		return w.bytes.rate
	}
	return max(w.bytes.rate, float64(w.Largest))
}

func throttled(op string, shard shardlog.ShardID, wait time.Duration) error {
	return &shardlog.Error{Kind: shardlog.Throttled, Op: op, Shard: &shard, RetryAfter: wait}
}
