package shardlog

import (
	"context"
	"iter"
	"time"
)

// Writer is the one door in.
//
// Put stores the entries of one stream in order and answers one Result for
// each, in the same order. It returns when every entry is either durable (on
// a majority of the site's voters) or refused; an error means that no entry
// was stored (except Kind Unknown: then the caller does not know, and a retry
// may store them twice). The first entry of a partition key that is Throttled
// throttles the rest of that key in the same Put, so that a caller who keeps
// one Put per key in flight keeps order. Mutations happen in the same command
// as the entries, all or nothing: when an expectation fails, Put answers
// Conflict; when an entry of a Put with mutations is throttled, all are.
//
// Kinds: Invalid, NotFound (no such stream), Full, Unavailable, Unknown, Conflict.
type Writer interface {
	Put(ctx context.Context, stream StreamName, entries []Entry, with ...Mutation) ([]Result, error)
}

// Cursor is a position in a shard: the next record to read.
type Cursor struct {
	Next   Seq
	Pinned bool // may read below the horizon what a delivery has pinned
}

// Budget bounds one Read. A page always holds at least one record if there
// is one, however large.
type Budget struct {
	Records int
	Bytes   int // data and keys
}

// Page is what one Read found. Records may be empty before the tip.
type Page struct {
	Records []Record
	Next    Cursor
	Tip     bool          // nothing more is readable now
	End     bool          // the shard is closed and Next lies behind its last record
	Behind  time.Duration // age of the position; zero at the tip
	Gaps    []Gap         // what was passed over between the records
}

// Reader reads one shard forward. Any number of readers may run at once.
//
// A cursor before the horizon starts silently at the horizon; so does the
// zero cursor. Kinds: NotFound, Unavailable.
type Reader interface {
	Read(ctx context.Context, shard ShardID, from Cursor, max Budget) (Page, error)
	// Seek finds the first record that arrived at or after the time, the tip when there is none.
	Seek(ctx context.Context, shard ShardID, at time.Time) (Cursor, error)
	// Wait returns when a record with a place of at least next is readable, or the shard is closed.
	Wait(ctx context.Context, shard ShardID, next Seq) error
}

// Catalog is what is known of streams here and now. Answers are snapshots.
type Catalog interface {
	Stream(name StreamName) (Stream, bool)
	StreamByID(id StreamID) (Stream, bool)
	Streams() []Stream // by name
}

// Control makes, changes and deletes streams. Each call returns when the
// change is durable and visible in the Catalog here.
//
// Kinds: Invalid, NotFound, InUse, LimitExceeded, Unavailable, Unknown.
type Control interface {
	CreateStream(ctx context.Context, spec StreamSpec) error
	DeleteStream(ctx context.Context, name StreamName) error
	SetRetention(ctx context.Context, name StreamName, retention time.Duration) error
	// SetRecordSize changes how large a record may be; what is stored stays.
	SetRecordSize(ctx context.Context, name StreamName, kib int) error
	// SplitShard closes an open shard and opens two in its place, the second
	// from start on, which must leave room for both; Moved: it is closed.
	SplitShard(ctx context.Context, shard ShardID, start Hash) error
	// MergeShards closes two open shards whose ranges touch and opens one.
	MergeShards(ctx context.Context, shard, adjacent ShardID) error
}

// Proposer makes commands durable and ordered, and applies them, by whatever
// means. An error of Kind Unavailable means that nothing happened; Unknown
// that the command may yet be applied.
type Proposer interface {
	Propose(ctx context.Context, c Command) (Outcome, error)
}

// Machine is the deterministic state: the same commands make the same state.
// It takes commands in the order of their indexes and skips those it has.
type Machine interface {
	Apply(index uint64, batch []Command) ([]Outcome, error)
	Applied() uint64
}

// Gaps lists what was given up, oldest first.
type Gaps interface {
	Gaps(ctx context.Context) iter.Seq2[Gap, error]
}
