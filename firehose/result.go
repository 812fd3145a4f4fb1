package firehose

import (
	"fmt"
	"time"

	"headgate/shardlog"
)

// Class says what an attempt came to and so what to do next.
type Class uint8

// The classes.
const (
	Unclassified Class = iota // a result nobody filled in; handled as Transient
	Delivered                 // it is there, durable as far as the sink can tell
	Transient                 // T: try again
	Throttled                 // R: try again, not before RetryAfter
	Auth                      // A: credentials refused; hold, probe slowly, tell people
	TooLarge                  // S: send less at a time
	Poison                    // P: records that will never be taken: to the error output
	Config                    // C: something must be set up first; hold, probe slowly, tell people
)

var classNames = [...]string{"unclassified", "delivered", "transient", "throttled", "auth", "too large", "poison", "config"}

// String is the class in words.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Result is the answer to one attempt.
type Result struct {
	Class      Class
	RetryAfter time.Duration // what the sink asked for, zero when it did not
	Items      []Item        // with Poison: the records at fault; none when the sink cannot say which
	Already    bool          // with Delivered: it was there before this attempt
	Bytes      int64         // with Delivered and not Already: bytes that went out, after compression
	Err        error         // nil with Delivered; holds no secret
}

// Item is the fault of one record.
type Item struct {
	Seq     shardlog.Seq
	Code    string // short, in the sink's words
	Message string
}

// Done reports whether the batch is at its destination.
func (r Result) Done() bool { return r.Class == Delivered }

// Fail is a result of the class with its cause.
func Fail(class Class, err error) Result { return Result{Class: class, Err: err} }
