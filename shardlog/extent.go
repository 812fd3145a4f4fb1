package shardlog

import "time"

// Extent is what one bucket holds of one stream: what retention weighs.
type Extent struct {
	Bucket  uint32
	Stream  StreamID
	Class   Class
	Oldest  time.Time // arrival of its first record
	Newest  time.Time // arrival of its last record
	Records uint64
	Bytes   uint64     // as stored
	Ends    []ShardEnd // by shard number; shards with no record here are absent
}

// ShardEnd is how far a shard reaches: the Seq behind its last record.
type ShardEnd struct {
	Shard uint32
	End   Seq
}

// Tail is where the log stands: what the next command must not fall behind.
type Tail struct {
	Applied     uint64    // index of the last command applied
	Stamp       time.Time // arrival time of the newest record; no later one may be smaller
	Bucket      uint32    // the bucket being filled, 0 before the first
	BucketSince time.Time // arrival of its first record
	BucketBytes uint64    // stored in it so far, all streams
}

// Usage is how much of the disk is taken.
type Usage struct {
	Stored uint64 // bytes of the data folder
	Free   uint64 // bytes of the volume that an ordinary user may still take
	Volume uint64 // bytes of the volume
}
