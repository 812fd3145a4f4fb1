// Package quota is token buckets that are told the time: how much one shard
// takes and gives in a second. It reads no clock, and it does not know who
// writes or reads.
package quota

import "headgate/shardlog"

// Limits says what one shard takes and gives in a second. A field that is
// zero is Kinesis's limit; Off switches all of them off.
type Limits struct {
	RecordsIn int // zero: shardlog.ShardRecordsIn
	BytesIn   int // zero: shardlog.ShardBytesIn
	ReadsOut  int // zero: shardlog.ShardReadsOut
	BytesOut  int // zero: shardlog.ShardBytesOut
	Off       bool
}

// Validate answers Invalid when a limit is negative.
func (l Limits) Validate() error {
	if l.RecordsIn < 0 || l.BytesIn < 0 || l.ReadsOut < 0 || l.BytesOut < 0 {
		return shardlog.Errorf(shardlog.Invalid, "set limits", "%+v: a limit is negative", l)
	}
	return nil
}

func or(limit, usual int) float64 {
	if limit > 0 {
		return float64(limit)
	}
	return float64(usual)
}
