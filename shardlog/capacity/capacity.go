// Package capacity decides how many shards an on-demand stream is to have,
// from what each of them took lately. It is told the time and what was seen;
// it reads no clock and changes nothing itself.
package capacity

import (
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// Rules say when shards are split and merged. A field that is zero is its
// default.
type Rules struct {
	// Window is how long a shard must be above half its limit, on average, to
	// be split; 60 s. A shard that has just been opened is watched for as long.
	Window time.Duration
	// Memory is how long a load counts after it has gone; 15 windows. Two shards are
	// merged when both were idle all that time, and the stream keeps shards for
	// twice the highest load of that time.
	Memory time.Duration
	// Most is how many shards a stream is given; 200, which is Kinesis's 200 MB/s.
	Most int
	// Limits of a shard. With Off nothing is ever decided: no shard is short.
	Limits quota.Limits
}

// The defaults of Rules.
const (
	defaultWindow = time.Minute
	defaultMemory = 15 // windows
	defaultMost   = 200
)

// Shares of what a shard takes, and of what a split leaves together.
const (
	hot     = 0.5  // above it a shard is split
	quiet   = 0.25 // below it together two shards are merged
	even    = 0.6  // a split in the middle of the range is as good as any when no half has more
	useless = 0.8  // a split that leaves one half more than that does not help: one key is hot
	room    = 2    // the stream has shards for so many times its highest load
)

// Tick is how often a stream should be looked at.
func (r Rules) Tick() time.Duration { return r.filled().Window / 6 }

// Validate answers Invalid when the rules cannot be kept: what was split would
// be merged before it was watched.
func (r Rules) Validate() error {
	if f := r.filled(); r.Window < 0 || r.Memory < 0 || r.Most < 0 || f.Memory < f.Window {
		return shardlog.Errorf(shardlog.Invalid, "set scaling", "window %v, memory %v: the memory must be the longer", f.Window, f.Memory)
	}
	return r.Limits.Validate()
}

func (r Rules) filled() Rules {
	if r.Window == 0 {
		r.Window = defaultWindow
	}
	if r.Memory == 0 {
		r.Memory = defaultMemory * r.Window
	}
	if r.Most == 0 {
		r.Most = defaultMost
	}
	return r
}

// Load is what one shard took since it was last asked.
type Load struct {
	Shard          uint32
	Records, Bytes int
	Sample         []Place // of its records, each as likely as any other
}

// Place is one record of a sample.
type Place struct {
	Hash  shardlog.Hash
	Bytes int
}

// Change is one thing to do to a stream.
type Change struct {
	Shard shardlog.ShardID
	Start shardlog.Hash     // of a split: where the second half begins
	With  *shardlog.ShardID // of a merge: the neighbour; nil: a split
	Load  float64           // that decided it, as a share of what one shard takes
}

// share is how much of what a shard takes in a second the amounts are.
func (r Rules) share(records, bytes int) float64 {
	return max(float64(records)/or(r.Limits.RecordsIn, shardlog.ShardRecordsIn), float64(bytes)/or(r.Limits.BytesIn, shardlog.ShardBytesIn))
}

func or(limit, usual int) float64 {
	if limit > 0 {
		return float64(limit)
	}
	return float64(usual)
}
