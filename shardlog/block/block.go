// Package block seals entries of one stream into one compressed, checksummed
// piece of bytes, and opens it again. It knows no disk, no clock and no
// quota, and it does not judge what a sequence number should be.
//
// The same bytes cross the consensus log, the disk and the peers. FORMAT.md
// has the layout byte by byte.
package block

import (
	"time"

	"headgate/shardlog"
)

// MaxFrame is the most bytes that a block holds before compression. Seal
// refuses more, and Open refuses bytes that claim more.
const MaxFrame = 16 << 20

// Clock says how far the leader trusted its clock when it sealed a block.
type Clock uint8

// The states of a clock.
const (
	Synced   Clock = iota // the arrival time is the time of day
	Unsynced              // it is the last known time plus what elapsed since
	Stepped               // the clock jumped implausibly; the time goes on from before
)

var clockNames = [...]string{"synced", "unsynced", "stepped"}

// String is the state in a word.
func (c Clock) String() string {
	if int(c) < len(clockNames) {
		return clockNames[c]
	}
	return "unknown"
}

// Head is what the sealer says of a block.
type Head struct {
	Stream shardlog.StreamID
	At     time.Time // arrival of all its records; cut to the millisecond, not before 1970
	Clock  Clock
	Raw    bool // do not try to compress: footage is compressed already
}

// Run is the place of one shard's records in a block: Count of them from First.
type Run struct {
	Shard uint32
	First shardlog.Seq
	Count uint32
}

// Header is what a block says of itself without being decompressed.
type Header struct {
	Stream  shardlog.StreamID
	At      time.Time // UTC, millisecond precision
	Clock   Clock
	Runs    []Run // in the order in which their shards first appeared
	Raw     int   // bytes of keys, data and metas before compression
	Records int
}

// Find is the ordinal of the shard's run.
func (h Header) Find(shard uint32) (run int, ok bool) {
	for i := range h.Runs {
		if h.Runs[i].Shard == shard {
			return i, true
		}
	}
	return 0, false
}
