package stream

import (
	"headgate/firehose"
	"headgate/shardlog"
)

// classify says what an error of our own log means for the delivery. One that
// leaves open what happened, or a note that somebody else has changed, is
// cleared up by the next attempt, which reads the note anew.
func classify(err error) firehose.Result {
	r := firehose.Fail(firehose.Transient, err)
	switch shardlog.KindOf(err) {
	case shardlog.Throttled, shardlog.Full:
		r.Class, r.RetryAfter = firehose.Throttled, shardlog.RetryAfter(err)
	case shardlog.Invalid, shardlog.Denied, shardlog.LimitExceeded:
		r.Class = firehose.Config
	}
	return r
}
