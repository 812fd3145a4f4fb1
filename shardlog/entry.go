package shardlog

import (
	"time"
	"unicode/utf8"
)

// Entry is what a producer hands in. Put borrows its bytes until it returns
// and does not change them.
type Entry struct {
	Key  string // partition key, 1 to 256 characters; with Hash it may be empty
	Hash *Hash  // explicit hash key; nil: MD5 of Key
	Data []byte
	Meta []byte // what the door keeps beside the data (an MQTT topic …); Kinesis readers never see it, quotas do not count it
	// Origin is when a gateway without its peers took the entry, millisecond
	// precision; zero for an entry that went straight into the log.
	Origin time.Time
}

// Size is what quotas and limits count: data and key, in bytes.
func (e Entry) Size() int { return len(e.Data) + len(e.Key) }

// Check answers Invalid when a stream whose largest record has that many bytes
// does not take the entry.
func (e *Entry) Check(largest int) error {
	if n := len(e.Key); n == 0 && e.Hash == nil || n > MaxPartitionKey && utf8.RuneCountInString(e.Key) > MaxPartitionKey {
		return Errorf(Invalid, "put", "partition key of %d bytes, 1 to %d characters are allowed", n, MaxPartitionKey)
	}
	if e.Size() > largest {
		return Errorf(Invalid, "put", "record of %d bytes, %d are allowed", e.Size(), largest)
	}
	if len(e.Meta) > MaxMeta {
		return Errorf(Invalid, "put", "%d bytes beside the data, %d are allowed", len(e.Meta), MaxMeta)
	}
	return nil
}

// Result is the answer for one entry of a Put. With Err nil the record is
// durable and Number is its sequence number; otherwise nothing was stored,
// except for Kind Unknown, which promises neither.
type Result struct {
	Shard  ShardID
	Number SequenceNumber
	Err    error
}

// Record is an entry with its place. Data and Meta are read-only: they may
// be shared with other readers.
type Record struct {
	Seq     Seq
	Arrived time.Time // millisecond precision, never earlier than the record before
	Key     string
	Hash    *Hash // set when the producer gave an explicit hash key
	Data    []byte
	Meta    []byte
	Origin  time.Time // see Entry; zero when it is Arrived
}

// Size is what read limits count: data and key, in bytes.
func (r Record) Size() int { return len(r.Data) + len(r.Key) }
