package shardlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what a caller can do about an error. Edges map kinds to the codes
// of their protocol; nobody acts on an error's text.
type Kind uint8

// The kinds.
const (
	Internal      Kind = iota // a fault of ours, or a foreign error
	Invalid                   // the request is malformed
	NotFound                  // no such stream, shard, key
	InUse                     // exists already, or busy
	LimitExceeded             // a quota on the number of things
	Throttled                 // over a rate; RetryAfter says when
	Full                      // the disk budget is used up
	Expired                   // a token or a position is too old
	Denied                    // not allowed
	Unavailable               // cannot be done now, nothing was done
	Unknown                   // may or may not have been done; a retry must carry the same number
	Moved                     // the shard closed meanwhile: route again
	Conflict                  // a mutation's expectation did not hold
	Corrupt                   // bytes on disk or wire do not match their checksum
)

var kindNames = [...]string{"internal", "invalid", "not found", "in use", "limit exceeded", "throttled", "full",
	"expired", "denied", "unavailable", "unknown outcome", "moved", "conflict", "corrupt"}

// String is the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is an error of the house.
type Error struct {
	Kind       Kind
	Op         string // what was tried: "put", "read shard"
	Stream     StreamName
	Shard      *ShardID
	RetryAfter time.Duration
	Err        error
}

// Error says what was tried, on what, and why it did not work.
func (e *Error) Error() string {
	text := e.Op
	if e.Stream != "" {
		text += " " + string(e.Stream)
	}
	if e.Shard != nil {
		text += " " + e.Shard.String()
	}
	text += ": " + e.Kind.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error whose cause is the formatted text.
func Errorf(kind Kind, op, format string, args ...any) error {
	return &Error{Kind: kind, Op: op, Err: fmt.Errorf(format, args...)}
}

// KindOf is the kind of the first Error in err's chain. A context's end is
// Unavailable; any other foreign error is Internal. A nil error has no kind:
// ask only about errors.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Internal
}

// RetryAfter is the wait that the first Error in err's chain asks for, zero
// when it asks for none.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
