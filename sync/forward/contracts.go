package forward

import (
	"context"
	"iter"

	"headgate/shardlog"
)

// Local is this gateway's own write path, which stores while it leads and
// answers Unavailable at once when it does not.
type Local interface {
	shardlog.Control
	Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error)
	Mutate(ctx context.Context, m ...shardlog.Mutation) error
	// Concede records gaps of records that never had a place, with the
	// mutations or not at all.
	Concede(ctx context.Context, gaps []shardlog.Gap, once ...shardlog.Mutation) error
}

// StateReader is the reading half of shardlog.States.
type StateReader interface {
	Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error)
	List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte]
}

// Leadership is who leads, as far as this gateway knows.
type Leadership interface {
	Leading() bool            // this gateway, and what was agreed on before is applied
	Alone() bool              // no other gateway has a vote
	Leader() string           // the leader's id, "" when none is known
	Term() uint64             // grows with every election
	Changed() <-chan struct{} // closed when any of it changes
}

// Call hands a message to a peer and answers what it replied. An error of
// Kind Unavailable means that the peer has certainly not received it; with any
// other it may have. The body must not be kept after it returned.
type Call func(ctx context.Context, peer, path string, body []byte) ([]byte, error)

// Row is one row of the spool. Its bytes are the reader's.
type Row struct {
	Number uint64
	Bytes  []byte
}

// Spool is a durable queue of rows, numbered without holes from 1. Only one
// goroutine at a time calls Append, but others may read and drop meanwhile.
type Spool interface {
	// Append returns the first row's number once all of them are on the disk.
	// Rows are all kept or, with an error, none. Kind Full: no room.
	Append(rows [][]byte) (first uint64, err error)
	// Read answers rows from that number on, at least one if there is one and
	// then no more than maxBytes. Rows that are damaged may be left out; an
	// error of Kind Corrupt says so and leaves the others good.
	Read(from uint64, maxBytes int) ([]Row, error)
	// Drop forgets the rows up to and including that number.
	Drop(through uint64) error
	Stats() SpoolStats
}

// SpoolStats is what a spool holds. While it is empty Last is the number
// before the next row's, and First is behind it.
type SpoolStats struct {
	First, Last uint64
	Bytes       int64
}

// Notes keep small values of this gateway alone. SetLocal returns when the
// value is on the disk; Local answers NotFound when there is none.
type Notes interface {
	SetLocal(key string, value []byte) error
	Local(key string) ([]byte, error)
}
